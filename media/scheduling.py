"""Keep an encoder from taking the whole machine."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Undo what is done to the scheduling of this process's threads; new ones get the caller's.

    SVT-AV1, started by root, puts the calling thread and its own threads on SCHED_FIFO at
    priority 99: ahead of everything else on the machine, heartbeats and databases included.
    Every process started afterwards would inherit it.
    """
    if sys.platform != "linux":
        yield
        return
    before = {thread: found for thread in _threads() if (found := _scheduling(thread))}
    own = _scheduling(0)
    try:
        yield
    finally:
        for thread in _threads():
            kept = before.get(thread, own)
            if kept and _scheduling(thread) not in (kept, None):
                # A thread may end at any moment.
                with suppress(ProcessLookupError):
                    os.sched_setscheduler(thread, kept[0], os.sched_param(kept[1]))


if sys.platform == "linux":

    def _threads() -> list[int]:
        return [int(folder.name) for folder in Path("/proc/self/task").iterdir()]

    def _scheduling(thread: int) -> tuple[int, int] | None:
        """Return policy and priority; None of a thread that has ended."""
        try:
            return os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority
        except ProcessLookupError:
            return None
