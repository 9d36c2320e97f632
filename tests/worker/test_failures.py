"""The table of failures has a row for every error there is."""

from collections.abc import Iterator

import pytest
import torch

from flashvsr_core.errors import EngineError
from jobs.errors import DatabaseUnavailableError, JobsError, StorageUnavailableError
from media.errors import MediaError, NotAVideoError
from worker.failures import _ENGINE, _JOBS, _MEDIA, failure_of


def tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        # Errors that other tests or packages make up are none of ours.
        if child.__module__ == kind.__module__:
            yield from tree(child)


def test_every_error_has_a_row() -> None:
    assert set(tree(MediaError)) == set(_MEDIA)
    assert set(tree(JobsError)) == set(_JOBS)
    assert {kind.code for kind in tree(EngineError)} == set(_ENGINE)  # type: ignore[attr-defined]


def test_what_is_temporary_is_retried() -> None:
    for kind in tree(JobsError):
        if kind.is_temporary:  # type: ignore[attr-defined]
            assert _JOBS[kind].is_retriable, kind


@pytest.mark.parametrize(
    ("error", "code", "is_retriable"),
    [
        (NotAVideoError("a.mp4: this is not a video"), "not_a_video", False),
        (StorageUnavailableError("http://10.0.0.7 is away"), "storage_unavailable", True),
        (DatabaseUnavailableError("db7 is away"), "database_unavailable", True),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory", False),
        (MemoryError(), "out_of_memory", False),
        (torch.AcceleratorError("CUDA error: an illegal memory access"), "gpu_failed", True),
        (RuntimeError("CUDA error: device-side assert triggered"), "gpu_failed", True),
        (KeyError("x"), "internal_error", True),
    ],
)
def test_rows(error: Exception, code: str, is_retriable: bool) -> None:
    failure = failure_of(error)
    assert (failure.reason.code, failure.is_retriable) == (code, is_retriable)
    assert failure.is_process_broken == (code == "gpu_failed")
    assert "10.0.0.7" not in failure.reason.message
    assert "db7" not in failure.reason.message
    assert failure.reason.message.endswith((".", "video"))
