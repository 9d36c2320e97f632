import pytest

from flashvsr_core.schedule import LAG, chunk_at, chunk_count, padded_frames


@pytest.mark.parametrize("frames", [*range(1, 200), 2_000, 1_000_003])
def test_the_schedule_covers_every_length_with_no_chunk_too_many(frames: int) -> None:
    count = chunk_count(frames)
    emitted = 21 + 8 * (count - 1)
    assert emitted >= frames
    assert count == 1 or emitted - 8 < frames
    assert padded_frames(frames) == emitted + LAG
    assert padded_frames(frames) % 8 == 1


def test_latent_positions_run_on_without_gaps() -> None:
    position = 0
    for index in range(50):
        chunk = chunk_at(index)
        assert chunk.first_latent == position
        position += chunk.latents


def test_an_empty_clip_has_no_schedule() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        chunk_count(0)
