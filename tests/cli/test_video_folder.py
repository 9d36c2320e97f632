"""`flashvsr upscale FOLDER FOLDER`: each video once, over broken files and kills."""

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from cli.video_folder import JOURNAL
from tests import clips
from tests.cli.command import FLASHVSR, flashvsr, one_sentence
from tests.media.looks import shown_at
from tests.patience import wait_until


def run(
    source: Path, target: Path, weights: Path, *more: str, code: int = 0
) -> list[dict[str, object]]:
    chosen = ("--weights", str(weights), "--scale", "2", "--json", *more)
    done = flashvsr("upscale", source, target, *chosen, code=code)
    return [json.loads(line) for line in done.stdout.splitlines()]


def fates(lines: list[dict[str, object]]) -> Counter[object]:
    return Counter(line["fate"] for line in lines)


def files_in(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != JOURNAL
    }


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    (folder / "deep er").mkdir(parents=True)
    clips.plain(folder / "a.mp4", frames=6)
    clips.plain(folder / "deep er" / "ü 100%+.mkv", frames=6)
    (folder / "notes.txt").write_text("no film")
    return folder


def test_each_video_once_and_the_broken_one_with_its_reason(
    films: Path, random_weights: Path, tmp_path: Path
) -> None:
    (films / "b.mp4").write_text("no film either")
    clips.plain(films / "old.avi", frames=6)
    target = tmp_path / "large"
    first = run(films, target, random_weights, code=1)
    assert fates(first) == {"done": 3, "failed": 1}
    (broken,) = [line for line in first if line["fate"] == "failed"]
    assert str(broken["input"]).endswith("b.mp4")
    assert "not a video" in str(broken["error"])
    made = files_in(target)
    assert set(made) == {"a.mp4", "deep er/ü 100%+.mkv", "old.mkv"}
    assert len(shown_at(target / "deep er" / "ü 100%+.mkv")) == 6
    second = run(films, target, random_weights, code=1)
    assert fates(second) == {"finished before": 3, "failed": 1}
    assert files_in(target) == made, "nothing was touched"


def test_a_run_that_was_killed_is_taken_up(
    films: Path, random_weights: Path, tmp_path: Path
) -> None:
    clips.plain(films / "deep er" / "ü z.mp4", size="128x96", frames=300)
    target = tmp_path / "large"
    with subprocess.Popen(
        [FLASHVSR, "upscale", films, target, "--weights", random_weights, "--scale", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        partial = "deep er/.ü z.mp4.partial-*"
        wait_until(lambda: any(path.stat().st_size for path in target.glob(partial)), poll_s=0.02)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    before = files_in(target)
    clips.plain(films / "deep er" / "ü z.mp4", size="128x96", frames=12)
    lines = run(films, target, random_weights)
    assert fates(lines) == {"finished before": 2, "done": 1}
    after = files_in(target)
    assert set(after) == {"a.mp4", "deep er/ü 100%+.mkv", "deep er/ü z.mp4"}, "no half is left"
    assert after["a.mp4"] == before["a.mp4"]
    assert len(shown_at(target / "deep er" / "ü z.mp4")) == 12


def test_nothing_is_overwritten_unless_asked(
    films: Path, random_weights: Path, tmp_path: Path
) -> None:
    target = tmp_path / "large"
    run(films, target, random_weights)
    clips.plain(films / "a.mp4", frames=8)
    (target / "deep er" / "ü 100%+.mkv").write_text("somebody else's")
    lines = run(films, target, random_weights, code=1)
    assert fates(lines) == {"failed": 2}
    assert all("--overwrite" in str(line["error"]) for line in lines)
    assert len(shown_at(target / "a.mp4")) == 6
    assert fates(run(films, target, random_weights, "--overwrite")) == {"done": 2}
    assert len(shown_at(target / "a.mp4")) == 8


def test_an_output_whose_line_in_the_journal_was_lost_counts(
    films: Path, random_weights: Path, tmp_path: Path
) -> None:
    target = tmp_path / "large"
    run(films, target, random_weights)
    made, journal = files_in(target), target / JOURNAL
    entries = [line for line in journal.read_text().splitlines() if line]
    assert [json.loads(entry)["is_done"] for entry in entries] == [False, True] * 2
    journal.write_text("\n".join(entries[:3]) + "\n" + entries[3][:20])
    assert fates(run(films, target, random_weights)) == {"finished before": 2}
    assert files_in(target) == made
    assert fates(run(films, target, random_weights)) == {"finished before": 2}


def test_what_cannot_work_is_said_before_anything_is_done(films: Path, tmp_path: Path) -> None:
    for target in (films, films / "large", tmp_path):
        one_sentence(flashvsr("upscale", films, target, code=2).stderr)
    clips.plain(films / "a.mkv", frames=6)
    clips.plain(films / "a.avi", frames=6)
    done = flashvsr("upscale", films, tmp_path / "large", "--weights", tmp_path, "--json", code=1)
    (double,) = [json.loads(line) for line in done.stdout.splitlines() if "a.mkv" in line[:200]]
    assert "same name" in double["error"]
