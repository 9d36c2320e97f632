import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from media.errors import OutputFullError
from media.open import open_sink, open_source
from media.prefetch import BackgroundSink, Prefetch
from tests import clips
from tests.media.looks import packets_md5, shown_at
from tests.patience import wait_until


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"prefetch", "background-sink"}


def test_order_and_end() -> None:
    assert list(Prefetch(range(100), depth=3)) == list(range(100))
    assert threads() == set()


def test_it_runs_ahead_but_not_further_than_asked() -> None:
    made = []

    def count() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with Prefetch(count(), depth=4) as items:
        stream = iter(items)
        assert next(stream) == 0
        wait_until(lambda: len(made) >= 6)
        time.sleep(0.1)
        # One consumed, four queued, one in hand.
        assert len(made) == 6
    assert threads() == set()


def test_errors_arrive_after_what_came_before() -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    items = iter(Prefetch(fail()))
    assert next(items) == 1
    with pytest.raises(KeyError, match="broken"):
        next(items)


def test_leaving_early_stops_the_thread(tmp_path: Path) -> None:
    source = clips.plain(tmp_path / "a.mp4", frames=200)
    with open_source(source) as frames, Prefetch(frames, depth=2) as ahead:
        for frame in ahead:
            assert frame.pixels.shape == (48, 64, 3)
            break
    assert threads() == set()


def test_three_stages_side_by_side_give_the_same_file(tmp_path: Path) -> None:
    source, target = clips.with_sound(tmp_path / "a.mp4", frames=100), tmp_path / "b.mp4"
    with (
        open_source(source) as frames,
        Prefetch(frames) as ahead,
        BackgroundSink(open_sink(target, frames, 64, 48), depth=2) as sink,
    ):
        for frame in ahead:
            sink.write(frame.pixels, frame.pts, frame.duration)
    assert shown_at(target) == shown_at(source)
    assert packets_md5(target, "a") == packets_md5(source, "a")
    assert threads() == set()


class FullDisk:
    """A sink whose third picture does not fit; it records what became of it."""

    def __init__(self) -> None:
        self.fate = ""
        self.written = 0

    def write(self, pixels: np.ndarray, pts: int, duration: int = 0) -> None:
        if self.written == 2:
            raise OutputFullError("full")
        self.written += 1

    def commit(self) -> None:
        self.fate += "committed"

    def abort(self) -> None:
        self.fate += "aborted"

    def __enter__(self) -> "FullDisk":
        return self

    def __exit__(self, *error: object) -> None: ...


def write_black(full: FullDisk, count: int, depth: int) -> None:
    with BackgroundSink(full, depth) as sink:
        for pts in range(count):
            sink.write(np.zeros((2, 2, 3), np.uint8), pts)


def test_a_writing_error_reaches_the_producer_and_blocks_nobody() -> None:
    full = FullDisk()
    with pytest.raises(OutputFullError):
        write_black(full, count=1000, depth=1)
    assert full.fate == "aborted"
    assert threads() == set()


def test_an_error_on_the_last_picture_reaches_the_commit() -> None:
    full = FullDisk()
    with pytest.raises(OutputFullError):
        write_black(full, count=3, depth=8)
    assert full.fate == "aborted"


def test_an_error_of_the_producer_leaves_no_file(tmp_path: Path) -> None:
    source = clips.plain(tmp_path / "a.mp4", frames=50)

    def write_half() -> None:
        with (
            open_source(source) as frames,
            BackgroundSink(open_sink(tmp_path / "b.mp4", frames, 64, 48)) as sink,
        ):
            for frame in frames:
                sink.write(frame.pixels, frame.pts)
                if frame.pts > 5000:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert threads() == set()
