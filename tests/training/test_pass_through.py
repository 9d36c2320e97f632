"""A new tiny decoder draws its low-quality frames, whatever the latents are."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from evaluation.clips import read_frames
from flashvsr_core.tiny_decoder import TinyDecoder
from flashvsr_core.weights.random import CONFIGS
from tests.evaluation.conftest import CARS
from tests.training.toy import toy_config
from training.batch import enlarge_clips
from training.data.named import degrade
from training.errors import TrainingError
from training.forward.tiny_decoder import convolve, decode_clips
from training.losses import psnr_db
from training.networks import build_tiny_decoder, hold_copy
from training.pass_through import pass_frames_through
from training.position_code import write_code
from training.rates import rates_by_inputs

MODEL = CONFIGS["nano"]
CONFIG = dataclasses.replace(toy_config("decoder"), model="nano")
COPY = pass_frames_through(TinyDecoder(MODEL.tiny_decoder))
WAY_IN_PX = 24
"""Zeros stand around the picture, which lines do not go on into."""


def drawn(frames: Tensor) -> Tensor:
    torch.manual_seed(0)
    decoder = build_tiny_decoder(MODEL)
    channels = MODEL.tiny_decoder.in_channels - 3 * 4 * 8 * 8
    height, width = frames.shape[-2:]
    latents = torch.randn(1, channels, (frames.shape[2] + 3) // 4, height // 8, width // 8)
    with torch.no_grad():
        return decode_clips(decoder, write_code(latents), frames)


def real_frames() -> Tensor:
    """(1, 3, 5, 64, 96) uint8."""
    return torch.from_numpy(read_frames(CARS, 5)[:, :64, :96]).permute(3, 0, 1, 2)[None]


def inner(frames: Tensor) -> Tensor:
    return frames[..., WAY_IN_PX:-WAY_IN_PX, WAY_IN_PX:-WAY_IN_PX]


def test_slopes_in_every_direction_and_in_time_come_out() -> None:
    row = torch.linspace(-0.3, 0.3, 96)
    color, time = torch.tensor([-0.2, 0.0, 0.2]), torch.linspace(-0.2, 0.2, 9)
    frames = (row + row[:, None] / 2 + time[:, None, None])[None, None] + color.view(1, 3, 1, 1, 1)
    assert torch.allclose(inner(drawn(frames)), inner(frames), atol=1 / 127.5)


def test_black_and_white_come_out_though_the_clamp_bends_them() -> None:
    for level in (-1.0, -0.75, -0.5, 0.5, 0.75, 1.0):
        frames = torch.full((1, 3, 5, 64, 64), level)
        assert (inner(drawn(frames)) - frames[..., :16, :16]).abs().max() < 0.7 / 127.5


def test_edges_of_a_real_picture_come_out_nearly_as_well() -> None:
    frames = enlarge_clips(real_frames(), 4)
    error = drawn(frames) - frames
    # It was 6 times as large with zeros beyond the edges.
    assert error.square().mean().sqrt() < 3 * inner(error).square().mean().sqrt()


def wave(length_px: float) -> Tensor:
    """(1, 3, 5, 128, 128), between -0.5 and 0.5, alike in all columns."""
    rows = torch.sin(torch.arange(128) * 2 * math.pi / length_px) / 2
    return rows[:, None].expand(1, 3, 5, 128, 128)


@pytest.mark.parametrize("length_px", [64, 32, 16, 12, 10, 8, 6])
@pytest.mark.parametrize("turned", [False, True])
def test_waves_come_out_those_of_a_cells_length_too(length_px: int, *, turned: bool) -> None:
    frames = wave(length_px)
    frames = frames.transpose(3, 4) if turned else frames
    assert psnr_db(inner(drawn(frames)), inner(frames)) > (30 if length_px >= 10 else 22)


def test_without_the_code_a_wave_of_a_cells_length_is_lost() -> None:
    frames = wave(8)
    decoder = build_tiny_decoder(MODEL)
    with torch.no_grad():
        uncoded = decode_clips(decoder, torch.zeros(1, 16, 2, 16, 16), frames)
    assert psnr_db(inner(uncoded), inner(frames)) < 15


def test_the_code_is_read_through_any_noise_that_may_be_left_in_it() -> None:
    torch.manual_seed(0)
    decoder = build_tiny_decoder(MODEL)
    frames = torch.rand(1, 3, 5, 64, 64) - 0.5
    latents = write_code(torch.zeros(1, 16, 2, 8, 8))
    noisy = latents.clone()
    noisy[:, -2:] += torch.randn(noisy[:, -2:].shape).clamp(-6, 6)
    with torch.no_grad():
        assert torch.equal(
            decode_clips(decoder, latents, frames), decode_clips(decoder, noisy, frames)
        )


def test_what_was_reduced_by_2_begins_nearer_to_the_truth_than_bicubic() -> None:
    truth = real_frames().float() / 127.5 - 1
    low = degrade(real_frames()[0].permute(1, 2, 3, 0).numpy(), "bicubic", 2, "cars")
    large = enlarge_clips(torch.from_numpy(low).permute(3, 0, 1, 2)[None], 2)
    gain_db = psnr_db(inner(drawn(large)), inner(truth)) - psnr_db(inner(large), inner(truth))
    assert gain_db > 0.2


def test_a_narrow_decoder_begins_grey() -> None:
    last = build_tiny_decoder(CONFIGS["tiny-test"]).decoder[-1]
    assert dict(last.named_parameters())["bias"].tolist() == [0.5, 0.5, 0.5]


def test_what_is_learned_is_added_to_the_copy_and_never_changes_it() -> None:
    torch.manual_seed(0)
    decoder = build_tiny_decoder(MODEL)
    hold_copy(decoder, CONFIG)
    frames = torch.rand(1, 3, 5, 64, 64) * 2 - 1
    latents = write_code(torch.randn(1, 16, 2, 8, 8))
    with torch.no_grad():
        copied = decode_clips(decoder, latents, frames)
    before = {name: weight.clone() for name, weight in decoder.named_parameters()}
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        decode_clips(decoder, latents, frames).square().mean().backward()
        optimizer.step()
    moved = {n for n, weight in decoder.named_parameters() if not torch.equal(weight, before[n])}
    # All but the last layer's bias, which belongs to the copy as a whole.
    assert before.keys() - moved == {"decoder.26.bias"}
    with torch.no_grad():
        assert not torch.allclose(decode_clips(decoder, latents, frames), copied, atol=1e-2)
        for name, weight in decoder.named_parameters():
            held = COPY.held.get(name, torch.zeros_like(weight, dtype=torch.bool))
            assert torch.equal(weight[held], before[name][held]), name
        # Without what was learned in the blocks and the last layer, the copy is what it was.
        for name, weight in decoder.named_parameters():
            begun = COPY.begun.get(name, torch.zeros_like(weight, dtype=torch.bool))
            # Some of it learns on.
            weight[begun] = before[name][begun]
            if ".conv.4." in name or name == "decoder.26.weight":
                weight[~begun] = 0
        assert torch.equal(decode_clips(decoder, latents, frames), copied)


def test_weight_decay_is_refused_for_a_decoder_that_copies() -> None:
    decay = dataclasses.replace(CONFIG.optimizer, weight_decay=0.01)
    with pytest.raises(TrainingError, match="weight_decay"):
        hold_copy(build_tiny_decoder(MODEL), dataclasses.replace(CONFIG, optimizer=decay))


def test_free_channels_see_detail_in_real_pictures() -> None:
    low = enlarge_clips(real_frames(), 4)
    torch.manual_seed(0)
    decoder = build_tiny_decoder(MODEL)
    names = {id(module): name for name, module in decoder.named_modules()}
    useful: dict[str, float] = {}

    def look(conv: nn.Conv2d, x: Tensor) -> Tensor:
        drawn = convolve(conv, x)
        begun = COPY.begun.get(f"{names[id(conv)]}.weight", torch.zeros_like(conv.weight) > 0)
        free = drawn[:, ~begun.flatten(1).any(1)]
        if names[id(conv)].endswith((".conv.0", ".conv.2")):
            is_there = (free > 0).float().mean((0, 2, 3))
            useful[names[id(conv)]] = float(((is_there > 0.01) & (is_there < 0.99)).float().mean())
        return drawn

    with torch.no_grad():
        decode_clips(decoder, write_code(torch.randn(1, 16, 2, 32, 48)), low, look)
    assert len(useful) == 18
    assert min(useful.values()) > 0.8, useful


def test_rates_fall_with_the_number_of_inputs_and_reach_every_weight() -> None:
    decoder = TinyDecoder(MODEL.tiny_decoder)
    groups = rates_by_inputs(decoder, 1e-3)
    reached = {id(weight) for layer, _ in groups for weight in layer.parameters()}
    assert reached == {id(weight) for weight in decoder.parameters()}
    rates = [rate for _, rate in groups]
    inputs = 9 * MODEL.tiny_decoder.in_channels
    assert math.isclose(rates[0], 1e-3 * 144 / inputs)
    assert rates[-1] == 1e-3
