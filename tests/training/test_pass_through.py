"""A new tiny decoder draws its low-quality frames, whatever the latents are."""

import math

import torch
from torch import Tensor

from flashvsr_core.tiny_decoder import TinyDecoder
from flashvsr_core.weights.random import CONFIGS
from training.forward.tiny_decoder import decode_clips
from training.losses import psnr_db
from training.networks import build_tiny_decoder
from training.rates import rates_by_inputs

MODEL = CONFIGS["nano"]
WAY_IN_PX = 24
"""Zeros stand around the picture, which lines do not go on into."""


def drawn(frames: Tensor) -> Tensor:
    torch.manual_seed(0)
    decoder = build_tiny_decoder(MODEL)
    channels = MODEL.tiny_decoder.in_channels - 3 * 4 * 8 * 8
    height, width = frames.shape[-2:]
    latents = torch.randn(1, channels, (frames.shape[2] + 3) // 4, height // 8, width // 8)
    with torch.no_grad():
        return decode_clips(decoder, latents, frames)


def inner(frames: Tensor) -> Tensor:
    return frames[..., WAY_IN_PX:-WAY_IN_PX, WAY_IN_PX:-WAY_IN_PX]


def test_slopes_in_every_direction_and_in_time_come_out() -> None:
    row = torch.linspace(-0.3, 0.3, 96)
    color, time = torch.tensor([-0.2, 0.0, 0.2]), torch.linspace(-0.2, 0.2, 9)
    frames = (row + row[:, None] / 2 + time[:, None, None])[None, None] + color.view(1, 3, 1, 1, 1)
    # The clamp in front bends what is far from grey: tanh(x / 3) * 3.
    bent = torch.tanh(frames / 3) * 3
    assert torch.allclose(inner(drawn(frames)), inner(bent), atol=2e-3)


def test_waves_come_out_the_weaker_the_shorter_they_are() -> None:
    def kept_db(length_px: int) -> float:
        wave = torch.sin(torch.arange(128) * 2 * math.pi / length_px) / 2
        frames = wave.expand(1, 3, 9, 128, 128)
        return float(psnr_db(inner(drawn(frames)), inner(frames)))

    assert kept_db(64) > 50
    assert kept_db(32) > 42
    assert kept_db(16) > 35
    # No shorter wave than 8 pixels is left in what was enlarged by 4.
    assert kept_db(12) > 28
    assert kept_db(10) < kept_db(12)


def test_a_narrow_decoder_begins_grey() -> None:
    last = build_tiny_decoder(CONFIGS["tiny-test"]).decoder[-1]
    assert dict(last.named_parameters())["bias"].tolist() == [0.5, 0.5, 0.5]


def test_rates_fall_with_the_number_of_inputs_and_reach_every_weight() -> None:
    decoder = TinyDecoder(MODEL.tiny_decoder)
    groups = rates_by_inputs(decoder, 1e-3)
    reached = {id(weight) for layer, _ in groups for weight in layer.parameters()}
    assert reached == {id(weight) for weight in decoder.parameters()}
    rates = [rate for _, rate in groups]
    inputs = 9 * MODEL.tiny_decoder.in_channels
    assert math.isclose(rates[0], 1e-3 * 144 / inputs)
    assert rates[-1] == 1e-3
