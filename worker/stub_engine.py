"""An engine that enlarges nothing: for tests of the queue and for load tests.

It reads the real file and writes real files, in as many steps and as slowly as it is told. An input
that begins with `poison` is refused as a broken video is.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.job import Job
from jobs.request import Pipeline
from media.errors import NotAVideoError
from worker.engine import Made, Report
from worker.settings import WorkerSettings

POISON = b"poison"


class StubEngine:
    """Copies the input. See `Engine` for what the methods do."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._pipeline: Pipeline | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """See `Engine.facts`."""
        return {"engine": "stub", "pipeline": self._pipeline}

    def load(self, pipeline: Pipeline) -> None:
        """See `Engine.load`."""
        self._pipeline = pipeline

    def probe(self, source: Path, job: Job) -> Mapping[str, Any]:
        """See `Engine.probe`."""
        with source.open("rb") as file:
            if file.read(len(POISON)) == POISON:
                raise NotAVideoError(f"{source.name}: this is not a video; copy it again")
        return {"size_bytes": source.stat().st_size}

    def enlarge(
        self, source: Path, folder: Path, job: Job, *, tile_px: int | None, report: Report
    ) -> Made:
        """See `Engine.enlarge`."""
        started, chunks = time.monotonic(), self._settings.stub_chunks
        for done in range(1, chunks + 1):
            time.sleep(self._settings.stub_chunk_s)
            report(done * 8, chunks * 8, time.monotonic() - started)
        body = source.read_bytes()
        result, poster, preview = (
            folder / name for name in (f"result.{job.request.container}", "a.jpg", "a.mp4")
        )
        result.write_bytes(body + bytes(max(0, self._settings.stub_result_bytes - len(body))))
        poster.write_bytes(body)
        preview.write_bytes(body)
        return Made(result, {"size_bytes": result.stat().st_size}, poster, preview)

    def free_memory(self) -> None:
        """See `Engine.free_memory`."""
