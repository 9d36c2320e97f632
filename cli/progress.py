"""The progress bar: frames, frames per second, time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from upscaling import Progress as VideoProgress


@contextmanager
def progress_bar(title: str, *, is_shown: bool) -> Iterator[Callable[["VideoProgress"], None]]:
    """Show a bar on the terminal's error channel; yields what updates it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames  {task.fields[pace]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not is_shown,
    )
    with bar:
        task = bar.add_task(title, total=None, pace="")

        def update(progress: "VideoProgress") -> None:
            bar.update(
                task,
                completed=progress.frames_done,
                total=progress.frames_total,
                pace=f"{progress.frames_per_second:.1f}/s",
            )

        yield update
