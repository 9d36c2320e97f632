"""The networks of one model, new or from a checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from flashvsr_core.dit.model import PATCH, DiT
from flashvsr_core.lq_projection import LQProjection
from flashvsr_core.tiny_decoder import MemoryBlock, TinyDecoder
from flashvsr_core.weights.random import CONFIGS, ModelConfig
from training.checkpoint import load_checkpoint, piece_of
from training.config import StageConfig
from training.errors import TrainingError
from training.free_channels import begin_free_channels
from training.held import Copy
from training.pass_through import pass_frames_through
from training.position_code import CODED_CHANNELS, position_code

M = TypeVar("M", bound=nn.Module)

DIT, LQ_PROJECTION, TINY_DECODER, WAN_VAE, ENCODER, LATENT_STATISTICS = (
    "dit",
    "lq_projection",
    "tiny_decoder",
    "wan_vae",
    "encoder",
    "latent_statistics",
)
"""Names of pieces in checkpoints; the first four are those of a weights folder, too."""


def find_model(name: str) -> ModelConfig:
    """Return the sizes of a model.

    Raises:
        TrainingError: there is no such model.

    """
    if name not in CONFIGS:
        raise TrainingError(f"There is no model '{name}'; choose one of: {', '.join(CONFIGS)}.")
    return CONFIGS[name]


def build_dit(model: ModelConfig) -> DiT:
    """Return a new transformer that predicts nothing yet but the position code."""
    dit = DiT(model.dit)
    for name, parameter in dit.named_parameters():
        if name.endswith("modulation"):
            nn.init.normal_(parameter, std=model.dit.width**-0.5)
    nn.init.zeros_(dit.head.head.weight)
    with torch.no_grad():
        # What is predicted is noise minus latents; a token's latents lie one after the other.
        code = torch.zeros(PATCH, PATCH, model.dit.latent_channels)
        code[..., -CODED_CHANNELS:] = -position_code(PATCH, PATCH).movedim(0, -1)
        dit.head.head.bias.copy_(code.flatten())
    return dit


def build_lq_projection(model: ModelConfig) -> LQProjection:
    """Return a new projection, the causal one of v1.1."""
    return LQProjection(model.lq_projection, causal=True)


def build_tiny_decoder(model: ModelConfig) -> TinyDecoder:
    """Return a new decoder that draws its low-quality frames; see `Copy.hold`."""
    decoder = TinyDecoder(model.tiny_decoder)
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in decoder.modules():
        if isinstance(module, MemoryBlock):
            last = module.conv[-1]
            assert isinstance(last, nn.Conv2d)
            nn.init.zeros_(last.weight)
    last = decoder.decoder[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.normal_(last.weight, std=0.01)
    # Frames are in [0, 1] here: grey to begin with.
    nn.init.constant_(last.bias, 0.5)
    begin_free_channels(decoder, pass_frames_through(decoder))
    return decoder


def hold_copy(decoder: TinyDecoder, config: StageConfig) -> Copy:
    """Keep the low-quality frames' way through a decoder as `build_tiny_decoder` made it.

    Raises:
        TrainingError: the optimizer would change it without a gradient.

    """
    copy = pass_frames_through(TinyDecoder(find_model(config.model).tiny_decoder))
    if copy.held and config.optimizer.weight_decay:
        raise TrainingError(
            "Weight decay would wear down what the tiny decoder copies; set optimizer.weight_decay"
            " to 0."
        )
    copy.hold(decoder)
    return copy


def draw_prompt(model: ModelConfig) -> Tensor:
    """Return the one prompt of a model trained from scratch: fixed random numbers, (1, n, width).

    The released model's prompt is the embedding of a fixed sentence; a model without a text encoder
    needs only that it is always the same.
    """
    generator = torch.Generator().manual_seed(0)
    return torch.randn((1, model.text_tokens, model.dit.text_width), generator=generator)


def fill_piece(module: nn.Module, tensors: Mapping[str, Tensor], piece: str) -> None:
    """Give a module a checkpoint's tensors; names and shapes must agree exactly.

    Raises:
        TrainingError: they do not.

    """
    try:
        module.load_state_dict(piece_of(tensors, piece))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise TrainingError(
            f"The checkpoint's piece '{piece}' does not fit the model ({reason}); train its stage"
            " again with this model."
        ) from error


def load_piece(module: M, runs: Path, stage: str, piece: str) -> M:
    """Fill a module with the averaged weights of an earlier stage."""
    fill_piece(module, load_checkpoint(runs, stage).averaged, piece)
    return module


def freeze(module: M) -> M:
    """Make a module take no gradients."""
    return module.eval().requires_grad_(requires_grad=False)
