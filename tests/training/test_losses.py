"""What the tiny decoder's losses weigh."""

import pytest
import torch
from torch import Tensor

from training.losses import compare_rhythm, edge_weights, log_error


def clips() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(2, 3, 5, 64, 64) * 0.5


def test_half_of_an_error_counts_alike_however_large_it_was() -> None:
    truth = clips()
    weights = edge_weights(truth)

    def gain(size: float) -> float:
        large, small = truth + size, truth + size / 2
        return float(log_error(large, truth, weights) - log_error(small, truth, weights))

    assert gain(0.2) == pytest.approx(gain(0.02), rel=0.01)
    assert gain(0.2) == pytest.approx(torch.tensor(4.0).log().item(), rel=0.01)


def test_an_error_over_patches_counts_more_than_one_of_the_same_size_in_details() -> None:
    truth = clips()
    weights = edge_weights(truth)
    detail = torch.randn(truth.shape) * 0.02
    patches = torch.full_like(truth, 0.02)
    assert (
        log_error(truth + patches, truth, weights) > log_error(truth + detail, truth, weights) + 1
    )


def test_edges_count_less() -> None:
    truth = clips()
    weights = edge_weights(truth)
    at_edge, inside = truth.clone(), truth.clone()
    at_edge[..., :16, :] += 0.05
    inside[..., 24:40, :] += 0.05
    assert log_error(at_edge, truth, weights) < log_error(inside, truth, weights) - 0.3


def test_rhythm_is_uneven_steps_and_not_smaller_ones() -> None:
    torch.manual_seed(0)
    truth = torch.randn(2, 3, 9, 24, 24).cumsum(dim=2) * 0.2
    still = truth[:, :, :1].expand_as(truth)
    calmer = still + 0.5 * (truth - still)
    assert compare_rhythm(truth, truth) < 1e-6
    assert compare_rhythm(calmer, truth) < 1e-3, "every step is half as large"
    pairs = calmer.clone()
    pairs[:, :, 2::2] = calmer[:, :, 1:-1:2] + 0.7 * (calmer[:, :, 2::2] - calmer[:, :, 1:-1:2])
    assert compare_rhythm(pairs, truth) > 0.02, "frames in pairs"
    assert compare_rhythm(still, still) == 0
    assert compare_rhythm(truth[:, :, :1], truth[:, :, :1]) == 0


def test_rhythm_is_mended_by_its_own_gradient() -> None:
    torch.manual_seed(0)
    truth = torch.randn(1, 3, 9, 24, 24).cumsum(dim=2) * 0.2
    pairs = truth.clone()
    pairs[:, :, 2::2] = 0.5 * (truth[:, :, 1:-1:2] + truth[:, :, 2::2])
    begun = float(compare_rhythm(pairs, truth))
    for _ in range(20):
        pairs = pairs.detach().requires_grad_()
        compare_rhythm(pairs, truth).backward()
        assert pairs.grad is not None
        pairs = pairs - 0.02 * pairs.grad / pairs.grad.abs().max()
    assert compare_rhythm(pairs, truth) < 0.5 * begun
