"""Features of the tiny decoder do not fall silent for good."""

import torch
from torch import Tensor

from flashvsr_core.tiny_decoder import MemoryBlock, TinyDecoder
from flashvsr_core.weights.random import CONFIGS
from training.forward.tiny_decoder import decode_clips
from training.networks import build_tiny_decoder
from training.pass_through import pass_frames_through
from training.position_code import write_code
from training.silence import Drawing

MODEL = CONFIGS["nano"]
COPY = pass_frames_through(TinyDecoder(MODEL.tiny_decoder))


def clip() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return write_code(torch.randn(1, 16, 2, 8, 8)), torch.rand(1, 3, 5, 64, 64) - 0.5


def new_decoder() -> TinyDecoder:
    torch.manual_seed(0)
    return build_tiny_decoder(MODEL)


def hidden_bias(decoder: TinyDecoder) -> tuple[Tensor, Tensor]:
    """Return the last block's second bias, and which of its features are free."""
    block = [layer for layer in decoder.decoder if isinstance(layer, MemoryBlock)][-1]
    names = {id(module): name for name, module in decoder.named_modules()}
    conv = block.conv[2]
    begun = COPY.begun[f"{names[id(conv)]}.weight"].flatten(1).any(dim=1)
    assert isinstance(conv.bias, Tensor)
    return conv.bias, ~begun


def test_a_new_decoder_draws_the_same_and_is_not_silent() -> None:
    decoder = new_decoder()
    with torch.no_grad():
        frames, silence = Drawing(decoder, COPY)(*clip())
        assert torch.equal(frames, decode_clips(decoder, *clip()))
    assert silence < 0.2


def test_silent_features_cost_and_are_brought_back() -> None:
    decoder = new_decoder()
    bias, free = hidden_bias(decoder)
    drawing = Drawing(decoder, COPY)
    with torch.no_grad():
        _, before = drawing(*clip())
        bias[free] -= 5
    frames, silence = drawing(*clip())
    assert silence > before + 1
    # No error of the picture reaches features behind a ReLU that are below 0 everywhere.
    frames.square().mean().backward(retain_graph=True)
    assert bias.grad is not None
    assert not bias.grad[free].any()
    silence.backward()
    assert (bias.grad[free] < 0).all()


def test_what_is_copied_may_be_silent() -> None:
    decoder = new_decoder()
    bias, free = hidden_bias(decoder)
    drawing = Drawing(decoder, COPY)
    with torch.no_grad():
        _, before = drawing(*clip())
        bias[~free] -= 5
        _, after = drawing(*clip())
    assert torch.isclose(before, after)
