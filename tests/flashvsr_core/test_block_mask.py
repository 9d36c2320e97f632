import pytest
import torch

from flashvsr_core.dit.block_mask import budget_of, local_mask, select_blocks
from flashvsr_core.dit.windows import Grid
from flashvsr_core.kernels.pooling import pool_blocks


@pytest.mark.parametrize(("down", "across", "reach"), [(1, 1, 9), (2, 3, 3), (5, 3, 4), (6, 11, 9)])
def test_local_mask_is_the_formula_written_out(down: int, across: int, reach: int) -> None:
    mask = local_mask(down, across, reach)
    for r in range(down):
        for c in range(across):
            for r2 in range(down):
                for c2 in range(across):
                    near = all(
                        a - reach // 2 <= b <= a - reach // 2 + reach - 1
                        for a, b in ((r, r2), (c, c2))
                    )
                    assert mask[r * across + c, r2 * across + c2] == near


@pytest.mark.parametrize("budget", [0, 3, 17, 40, 10_000])
def test_every_row_and_head_spends_its_own_budget_on_its_best_pairs(budget: int) -> None:
    S, rows, key_rows, heads = 6, 3, 4, 2
    q = torch.randn(rows * S, heads, 128)
    k = torch.randn(key_rows * S, heads, 128)
    local = local_mask(2, 3, 3)
    mask = select_blocks(q, k, local, budget)
    assert mask.shape == (heads, rows * S, key_rows * S)
    for head in range(heads):
        for row in range(rows):
            scores = (q[row * S : (row + 1) * S, head] @ k[:, head].T) / 128**0.5
            scores[~local.repeat(1, key_rows)] = -torch.inf
            chances = scores.softmax(-1).flatten()
            ranked = sorted(chances.tolist(), reverse=True)
            threshold = ranked[min(budget, len(ranked) - 1)]
            expected = chances > threshold
            assert torch.equal(mask[head, row * S : (row + 1) * S].flatten(), expected)
            assert expected.sum() <= max(budget, 0)


def test_nothing_outside_the_local_range_is_ever_kept() -> None:
    S = 15
    local = local_mask(3, 5, 3)
    mask = select_blocks(torch.randn(S, 2, 128), torch.randn(3 * S, 2, 128), local, 10_000)
    assert not mask[:, ~local.repeat(1, 3)].any()
    assert mask.any()


def test_budget_of_the_trained_size() -> None:
    # 768x1408 output: 66 blocks a window row.
    grid = Grid(2, 48, 88)
    assert budget_of(grid, 2.0 * 768 * 1280 / (768 * 1408)) == int(66 * 66 * 2 * 1280 / 1408) - 1


def test_pooling_averages_whole_windows_in_float32() -> None:
    x = torch.randn(256, 2, 128).bfloat16()
    assert torch.allclose(pool_blocks(x)[1], x[128:].float().mean(0), atol=1e-6)
