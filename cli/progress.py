"""Progress bars on the terminal's error channel."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from client import Job
    from upscaling import Progress as VideoProgress


@contextmanager
def progress_bar(title: str, *, is_shown: bool) -> Iterator[Callable[["VideoProgress"], None]]:
    """Show frames, frames per second and the time left of one video; yields what updates it."""
    columns = (MofNCompleteColumn(), TextColumn("frames  {task.fields[pace]}"))
    with _bar(is_shown, *columns, TimeRemainingColumn()) as bar:
        task = bar.add_task(title, total=None, pace="")

        def update(progress: "VideoProgress") -> None:
            bar.update(
                task,
                completed=progress.frames_done,
                total=progress.frames_total,
                pace=f"{progress.frames_per_second:.1f}/s",
            )

        yield update


@contextmanager
def byte_bar(title: str, *, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Show bytes done and bytes in all; yields what takes both."""
    with _bar(is_shown, DownloadColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def job_bar(title: str, *, is_shown: bool) -> Iterator[Callable[["Job"], None]]:
    """Show how far a job of the service is; yields what takes the job.

    Where no terminal is watching, a line is printed at each change of stage and each tenth.
    """
    columns = (TaskProgressColumn(), TextColumn("{task.fields[stage]}"))
    is_terminal = sys.stderr.isatty()
    said = ""
    with _bar(is_shown and is_terminal, *columns) as bar:
        task = bar.add_task(title, total=100, stage="")

        def update(job: "Job") -> None:
            nonlocal said
            percent, stage = _percent_of(job), _stage_of(job)
            bar.update(task, completed=percent, stage=stage)
            line = f"{title}  {percent // 10 * 10:3.0f} %  {stage.partition(',')[0]}"
            if is_shown and not is_terminal and line != said:
                print(line, file=sys.stderr)
                said = line

        yield update


def _percent_of(job: "Job") -> float:
    if job.progress and not job.has_ended:
        return job.progress.percent
    return 100.0 if job.state == "succeeded" else 0.0


def _stage_of(job: "Job") -> str:
    if job.state == "queued" and job.queue_position:
        return f"number {job.queue_position} in the queue"
    if job.progress and not job.has_ended:
        pace = job.progress.frames_per_s
        return job.progress.stage + (f", {pace:.1f} frames/s" if pace else "")
    return job.state


def _bar(is_shown: bool, *columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        console=Console(stderr=True),
        disable=not is_shown,
    )
