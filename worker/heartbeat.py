"""Keeps an attempt's lease while it runs, and brings back what is wanted of it."""

import logging
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

from jobs.database import Database
from jobs.errors import DatabaseUnavailableError, JobsError, LeaseLostError
from jobs.job import Progress
from jobs.repository.claims import Lease

_LOOK_S = 0.1
"""How soon a signal to stop is noticed."""

log = logging.getLogger(__name__)


class CancelRequestedError(Exception):
    """Somebody wants the job canceled."""


class StoppingError(Exception):
    """This process has to exit; the job was given back."""


class Heartbeat:
    """A thread that writes progress and renews the lease; use it as a context manager.

    Whoever does the work calls `check` between its steps and `progress` when there is some.
    """

    def __init__(
        self, database: Database, lease: Lease, every_s: float, stopping: threading.Event
    ) -> None:
        self._database = database
        self._lease = lease
        # Three tries within a lease; see `Policy.lease_s`.
        self._every_s = min(every_s, database.policy.lease_s / 3)
        self._stopping = stopping
        self._progress = Progress("starting")
        self._end: Exception | None = None
        self._is_over = threading.Event()
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def progress(self, **changes: object) -> None:
        """Change the progress that the next beat writes."""
        self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]

    def check(self) -> None:
        """Go on, or stop now.

        Raises:
            LeaseLostError: whatever is done from now on does not count.
            CancelRequestedError: end the job as canceled.
            StoppingError: the job is no longer ours; exit.

        """
        if self._stopping.is_set() and self._end is None:
            raise StoppingError
        if self._end is not None:
            raise self._end

    def wait(self, seconds: float) -> None:
        """Wait, unless there is a reason to stop; raises what `check` raises."""
        self._has_ended.wait(seconds)
        self.check()

    def _run(self) -> None:
        written: Progress | None = None
        next_beat = time.monotonic() + self._every_s
        while not self._is_over.wait(min(_LOOK_S, self._every_s)):
            if self._stopping.is_set():
                # At once, and not when the step that runs now has ended.
                self._give_back()
                return
            if time.monotonic() < next_beat:
                continue
            next_beat = time.monotonic() + self._every_s
            progress = self._progress
            try:
                with self._database.transaction() as rows:
                    orders = rows.claims.heartbeat(
                        self._lease, progress if progress != written else None
                    )
            except DatabaseUnavailableError as error:
                # Only the database can say that the lease is lost.
                log.warning("no heartbeat: %s", error)
                continue
            except LeaseLostError as error:
                self._end_with(error)
                return
            written = progress
            if orders.is_cancel_requested and self._end is None:
                self._end_with(CancelRequestedError())

    def _give_back(self) -> None:
        try:
            with self._database.transaction() as rows:
                rows.claims.give_back(self._lease)
        except LeaseLostError as error:
            self._end_with(error)
        except JobsError as error:
            log.warning("the job will be given back later: %s", error)
        self._end_with(StoppingError())

    def _end_with(self, end: Exception) -> None:
        if self._end is None:
            self._end = end
        self._has_ended.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
