"""What the tiny decoder's losses weigh."""

import pytest
import torch
from torch import Tensor

from training.losses import edge_weights, log_error


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
