"""What makes a larger video of a file: the model, or a stand-in for tests of everything else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobs.job import Job
from jobs.request import Pipeline

Report = Callable[[int, int | None, float], None]
"""Called between chunks with frames done, frames in all if known, and seconds so far.

What it raises ends the work.
"""


@dataclass(frozen=True)
class Made:
    """The files that became of one input."""

    result: Path
    facts: Mapping[str, Any]
    """The result as its probe describes it, in plain JSON types."""
    poster: Path | None = None
    """A picture of the result."""
    preview: Path | None = None
    """A short film, before and after side by side."""


class Engine(Protocol):
    """One process's way to enlarge files, used by one thread."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it runs on and what is loaded, in plain JSON types."""

    def load(self, pipeline: Pipeline) -> None:
        """Have a pipeline ready; does nothing where it is."""

    def probe(self, source: Path, job: Job) -> Mapping[str, Any]:
        """Describe an untrusted input within the limits, or raise the `MediaError` that it is."""

    def enlarge(
        self, source: Path, folder: Path, job: Job, *, tile_px: int | None, report: Report
    ) -> Made:
        """Make the result and what goes with it inside a folder."""

    def free_memory(self) -> None:
        """Let go of what a failed try has left behind."""
