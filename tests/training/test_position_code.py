"""Latents of models that are trained here say where a cell is."""

import torch

from flashvsr_core.weights.random import CONFIGS
from training.forward.dit import predict_velocity
from training.forward.tokens import to_windows
from training.latent_space import RunningStatistics
from training.networks import build_dit, draw_prompt
from training.position_code import AMPLITUDE, CODED_CHANNELS, position_code, write_code

MODEL = CONFIGS["tiny-test"]


def test_rows_and_columns_alternate() -> None:
    rows, columns = position_code(4, 6)
    assert rows[:, 0].tolist() == [-8, 8, -8, 8]
    assert torch.equal(rows, rows[:, :1].expand(4, 6))
    assert columns[0].tolist() == [-8, 8, -8, 8, -8, 8]
    assert torch.equal(columns, columns[:1].expand(4, 6))


def test_only_the_last_channels_are_written() -> None:
    latents = torch.randn(2, 16, 3, 4, 6)
    coded = write_code(latents)
    assert torch.equal(coded[:, :-CODED_CHANNELS], latents[:, :-CODED_CHANNELS])
    assert torch.equal(coded[1, -CODED_CHANNELS:, 2], position_code(4, 6))


def test_a_new_transformer_knows_the_code_already() -> None:
    torch.manual_seed(0)
    dit = build_dit(MODEL)
    noise = torch.randn(1, 16, 2, 16, 16)
    tokens = to_windows(torch.randn(1, 2, 8, 8, MODEL.dit.width))
    with torch.no_grad():
        velocity = predict_velocity(dit, noise, tokens, draw_prompt(MODEL), torch.ones(1))
    clean = noise - velocity
    assert torch.allclose(
        clean[:, -CODED_CHANNELS:] - noise[:, -CODED_CHANNELS:],
        position_code(16, 16)[None, :, None].expand(1, -1, 2, -1, -1),
        atol=1e-5,
    )


def test_the_large_decoder_is_given_ones() -> None:
    statistics = RunningStatistics(16)
    statistics.observe(torch.randn(16), torch.rand(16) + 1)
    made = statistics.statistics()
    code = position_code(2, 2)[:, 0, 0]
    assert (code * made.std[-CODED_CHANNELS:] + made.mean[-CODED_CHANNELS:]).tolist() == [-1, -1]
    assert float(made.std[0]) != 1 / AMPLITUDE
