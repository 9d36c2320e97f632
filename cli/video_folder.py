"""A folder of videos into another folder: each once, also over interruptions.

The output folder keeps a journal, one JSON object a line: what was begun with which file and which
choices, and what came of it. A file is finished where the journal says so of the same input and the
same choices, and its output is there as it was left.
"""

import fcntl
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TextIO

from cli.enlarging import Enlarger, Options
from cli.errors import UsageError, sentence_of
from media.errors import MediaError
from media.probe import probe

VIDEO_SUFFIXES = frozenset(
    {".3g2", ".3gp", ".avi", ".m2ts", ".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mts", ".ts"}
    | {".webm"}
)
JOURNAL = ".flashvsr.jsonl"

_KEPT_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")

Fate = Literal["done", "finished before", "failed"]


def holds_videos(path: Path) -> bool:
    """Tell whether a path is a folder with a video in it, at any depth."""
    return path.is_dir() and next(_videos(path), None) is not None


def _videos(folder: Path) -> Iterator[Path]:
    """Find videos, folders in the order of their names; hidden files and folders are left out."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield Path(base, name)


def enlarge_folder(
    enlarger: Enlarger,
    options: Options,
    pipeline: str,
    source: Path,
    target: Path,
    *,
    overwrite: bool,
    has_bar: bool,
    as_json: bool,
) -> Counter[Fate]:
    """Enlarge every video of a folder; prints a line for each, and counts what became of them.

    Raises:
        UsageError: the folders lie in one another, or somebody else writes there now.

    """
    here, there = source.resolve(), target.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise UsageError(f"{target} and {source} lie in one another; choose another output folder")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file; a folder of videos needs a folder")
    # Listed first, so that nothing that is written meanwhile is taken for an input.
    inputs = list(_videos(source))
    fates: Counter[Fate] = Counter()
    taken: dict[Path, Path] = {}
    with _Journal.open(target) as journal:
        for path in inputs:
            name = _output_name(path.relative_to(source))
            first = taken.setdefault(name, path)
            one = _One(path, target / name, str(path.relative_to(source)), journal)
            try:
                if first != path:
                    raise UsageError(f"{first} is enlarged to the same name; rename one of them")
                fate, about = one.settle(enlarger, options, pipeline, overwrite, has_bar=has_bar)
            except Exception as error:
                if os.environ.get("FLASHVSR_TRACEBACK"):
                    raise
                fate, about = "failed", {"error": sentence_of(error)}
            fates[fate] += 1
            _say(str(path), fate, about, as_json=as_json)
    if not as_json:
        print(", ".join(f"{count} {fate}" for fate, count in sorted(fates.items())) or "nothing")
    return fates


class _Journal:
    """What is known of earlier runs into one folder."""

    def __init__(self, folder: Path, file: TextIO) -> None:
        self.folder = folder
        self._file = file
        self._last: dict[str, Mapping[str, Any]] = {}
        file.seek(0)
        for line in file:
            try:
                entry = json.loads(line)
                self._last[entry["input"]] = entry
            except (ValueError, KeyError, TypeError):
                # The end of a line that was being written when the machine went down.
                continue

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator["_Journal"]:
        """Open the journal for this process alone."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / JOURNAL).open("a+", encoding="utf-8", errors="surrogateescape") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UsageError(
                    f"Another run writes to {folder} now; wait for it or choose another folder"
                ) from error
            yield cls(folder, file)

    def last(self, name: str) -> Mapping[str, Any]:
        """Return what was written last about an input; empty where nothing was."""
        return self._last.get(name, {})

    def write(self, **entry: Any) -> None:  # noqa: ANN401 - plain JSON
        """Write down, for good, before going on."""
        # Begins with a line break too, in case that the last line was cut.
        self._file.write(f"\n{json.dumps(entry)}\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._last[entry["input"]] = entry


class _One:
    """One video of the folder."""

    def __init__(self, path: Path, output: Path, name: str, journal: _Journal) -> None:
        self._path, self._output, self._journal = path, output, journal
        self._name = name

    def settle(
        self, enlarger: Enlarger, options: Options, pipeline: str, overwrite: bool, *, has_bar: bool
    ) -> tuple[Fate, dict[str, Any]]:
        """Make the output, unless it is finished already; say what there is to say about it."""
        status = self._path.stat()
        chosen = json.dumps([asdict(options), pipeline], sort_keys=True)
        known = {
            "input": self._name,
            "size_bytes": status.st_size,
            "modified_ns": status.st_mtime_ns,
            "choices": hashlib.sha256(chosen.encode()).hexdigest()[:16],
        }
        if self._output.exists():
            if self._is_finished(known):
                return "finished before", {"output": str(self._output)}
            last = self._journal.last(self._name)
            if not overwrite and not last.get("is_done"):
                raise UsageError(
                    f"{self._output} exists and is no result of this file; add --overwrite, or"
                    " choose another output folder"
                )
            if not overwrite:
                raise UsageError(
                    f"{self._output} was made of another state of this file, or with other"
                    " choices; add --overwrite, or choose another output folder"
                )
        self._output.parent.mkdir(parents=True, exist_ok=True)
        self._remove_halves()
        self._journal.write(**known, is_done=False)
        made = enlarger.enlarge(self._path, self._output, has_bar=has_bar)
        self._journal.write(**known, is_done=True, output_bytes=self._output.stat().st_size)
        return "done", made.as_json() | ({"notes": list(made.notes)} if made.notes else {})

    def _is_finished(self, known: Mapping[str, Any]) -> bool:
        last = self._journal.last(self._name)
        if {name: last.get(name) for name in known} != dict(known):
            return False
        if last.get("is_done"):
            return bool(self._output.stat().st_size == last.get("output_bytes"))
        # Outputs appear whole: this run died between that and the journal's line. Looked at all
        # the same, because somebody else may have put a file here meanwhile.
        try:
            frames, made = probe(self._path).frame_count, probe(self._output).frame_count
        except MediaError:
            return False
        if frames is None or frames != made:
            return False
        self._journal.write(**known, is_done=True, output_bytes=self._output.stat().st_size)
        return True

    def _remove_halves(self) -> None:
        """Remove what an earlier run of this file left when it was killed."""
        for half in self._output.parent.glob(f".{_escaped(self._output.name)}.partial-*"):
            half.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _output_name(name: Path) -> Path:
    """Keep a name; its container too where that can be written and holds any codec."""
    return name if name.suffix.lower() in _KEPT_SUFFIXES else name.with_suffix(".mkv")


def _say(path: str, fate: Fate, about: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"input": path, "fate": fate, **about}), flush=True)
    elif fate == "failed":
        print(f"{path}: failed: {about['error']}", file=sys.stderr, flush=True)
    elif fate == "done":
        for note in about.get("notes", ()):
            print(f"{path}: {note}", file=sys.stderr)
        print(
            f"{about['output']}: {about['frames']} frames in {about['elapsed_s']:.1f} s"
            f" ({about['frames_per_second']:.2f} frames/s)",
            flush=True,
        )
    else:
        print(f"{about['output']}: finished before", flush=True)
