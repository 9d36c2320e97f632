"""An encoder leaves the machine to others, also where root starts it: only there can this fail."""

import os
import sys
from pathlib import Path

import pytest

from media.encoding import Encoding, can_open
from media.open import open_sink, open_source
from media.probe import probe
from tests import clips

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these policies")


def policies() -> set[int]:
    threads = [int(folder.name) for folder in Path("/proc/self/task").iterdir()]
    return {os.sched_getscheduler(thread) for thread in threads}


def test_av1_is_encoded_with_ordinary_threads(tmp_path: Path) -> None:
    source = clips.plain(tmp_path / "a.mp4", frames=3)
    facts = probe(source)
    can_open.cache_clear()
    encoding = Encoding("av1", preset="12")
    with open_source(source) as frames:
        size = facts.width_px, facts.height_px
        with open_sink(tmp_path / "b.mkv", frames, *size, encoding) as sink:
            for frame in frames:
                sink.write(frame.pixels, frame.pts)
                assert policies() == {os.SCHED_OTHER}
            sink.commit()
    assert policies() == {os.SCHED_OTHER}
