"""The log of a stage: one JSON object a line, `log.jsonl` beside its checkpoints."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Log:
    """Appends lines; after a resume it goes on where the checkpoint was."""

    def __init__(self, runs: Path, stage: str, first_step: int) -> None:
        """Open the log and drop lines of steps that will be done again."""
        folder = runs / stage
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "log.jsonl"
        kept = [line for line in read_log(path) if line["step"] <= first_step]
        partial = path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept))
        partial.replace(path)
        self._file = path.open("a")

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line at once."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, oldest first; none if there is no file."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            # A process that was killed leaves half of its last line.
            break
    return lines
