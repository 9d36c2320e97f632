import pytest
import torch

from flashvsr_core.dit.memory import KeyValueMemory
from flashvsr_core.dit.rope import rotation_for
from flashvsr_core.dit.windows import Grid, from_windows, to_windows
from flashvsr_core.kernels.rms_rotate import rotate

CPU = torch.device("cpu")


def test_window_order_goes_there_and_back() -> None:
    grid = Grid(4, 16, 24)
    tokens = torch.arange(4 * 16 * 24).view(4, 16, 24, 1)
    windowed = to_windows(tokens)
    assert torch.equal(from_windows(windowed, grid), tokens)
    first = windowed[:128].flatten().tolist()
    assert first == [f * 384 + h * 24 + w for f in (0, 1) for h in range(8) for w in range(8)]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kept_rows", [0, 1, 2, 3, 5])
def test_the_pool_shows_what_joining_and_cutting_would(kept_rows: int, shared: bool) -> None:
    """Against the plain rule: join, attend, then drop one row if more than `kept_rows` are held."""
    grid = Grid(2, 8, 16)
    memory = KeyValueMemory(
        layers=3,
        heads=1,
        kept_rows=kept_rows,
        grid=grid,
        device=CPU,
        dtype=torch.float32,
        shared=shared,
    )
    held: list[torch.Tensor] = []
    for index in range(12):
        rows = [torch.randn(grid.tokens_per_row, 1, 128) for _ in range(3 if index == 0 else 1)]
        memory.begin_chunk(len(rows))
        for layer in range(3):
            for row, own in enumerate(rows):
                place = memory.place(layer, row)
                place.keys.copy_(own + layer)
                place.values.copy_(-own - layer)
                place.pooled.copy_((own + layer).unflatten(0, (-1, 128)).mean(1))
            seen = memory.visible(layer)
            expected = held + rows
            blocks = seen.keys.unflatten(0, (-1, 128))
            if seen.blocks is None:
                assert not shared
            else:
                blocks = blocks[seen.blocks.long()]
                assert torch.equal(seen.values.unflatten(0, (-1, 128))[seen.blocks.long()], -blocks)
            assert torch.allclose(seen.pooled, blocks.mean(1))
            shown = blocks.flatten(0, 1).unflatten(0, (len(expected), -1))[memory.order]
            assert torch.equal(shown, torch.stack(expected) + layer)
        memory.end_chunk()
        held = held + rows
        if len(held) > kept_rows:
            held = held[1:]
    if shared:
        assert len(memory.keys) == (3 * max(3, kept_rows) + 1) * grid.tokens_per_row


@pytest.mark.parametrize("first_latent", [0, 6, 1_024, 5_000_000])
def test_rotation_is_exact_at_any_position(first_latent: int) -> None:
    grid = Grid(2, 8, 16)
    x = torch.randn(256, 1, 128)
    rotated = rotate(x, rotation_for(grid, first_latent, CPU))
    turned = from_windows(rotated.flatten(1), grid)[1, 3, 9]
    original = from_windows(x.flatten(1), grid)[1, 3, 9]
    angles = []
    for position, dim in ((first_latent + 1, 44), (3, 42), (9, 42)):
        angles += [position * 10000.0 ** (-i / dim) for i in range(0, dim, 2)]
    turn = torch.polar(
        torch.ones(64, dtype=torch.float64), torch.tensor(angles, dtype=torch.float64)
    )
    expected = torch.view_as_real(torch.view_as_complex(original.double().view(64, 2)) * turn)
    assert torch.allclose(turned.double(), expected.flatten(), atol=1e-6)
