"""Looks after batches: reads their lines, keeps a bounded number of jobs alive, reports the end.

A batch goes through here again and again, for some seconds each time, so that a large one does not
keep others waiting. Whatever dies in the middle is taken up where the last transaction ended.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from jobs.batch import Batch, BatchLine, BatchState
from jobs.database import Database
from jobs.errors import (
    BrokerUnavailableError,
    JobNotFoundError,
    JobsError,
    LeaseLostError,
    RequestInvalidError,
    StateConflictError,
)
from jobs.job import Reason
from jobs.placement import Place
from jobs.queue import Bell
from jobs.repository import Repository
from jobs.repository.batch_leases import BatchLease
from jobs.repository.submissions import Origin
from jobs.storage import Storage
from jobs.storage.buckets import Buckets
from worker.bulk.estimate import estimate
from worker.bulk.lines import LineMaker
from worker.bulk.reports import put_reports
from worker.bulk.source import Where, read_on
from worker.settings import SweeperSettings

_AT_ONCE_S = 5.0
"""For one batch before others have their turn."""
_QUEUED_AT_ONCE = 32
_AGAIN_S = 10.0
"""After something was away for a moment."""

if TYPE_CHECKING:
    from jobs.storage.buckets import Buckets

log = logging.getLogger(__name__)


class BatchKeeper:
    """Looks after all batches. Several may run at once; each batch has one of them at a time."""

    def __init__(
        self,
        settings: SweeperSettings,
        database: Database,
        storage: Storage,
        buckets: "Buckets | None",
        bell: Bell,
    ) -> None:
        self._settings, self._database, self._bell = settings, database, bell
        self._storage, self._buckets = storage, buckets

    def look_after_all(self) -> int:
        """Look after batches until none is due; count the looks."""
        count = 0
        with TemporaryDirectory(prefix="flashvsr-batches-") as folder:
            tending = _Tending(
                self._settings,
                self._bell,
                Where(
                    self._database,
                    self._storage,
                    self._buckets,
                    Path(folder),
                    self._settings.manifest_max_bytes,
                ),
            )
            while tending.look_after_one():
                count += 1
        return count


class _Tending:
    """One round of looks, during which manifests stay on this machine."""

    def __init__(self, settings: SweeperSettings, bell: Bell, where: Where) -> None:
        self._settings, self._bell, self._where = settings, bell, where
        self._database = where.database

    def look_after_one(self) -> bool:
        """Look after the batch that waits longest; False where none is due."""
        with self._database.transaction() as rows:
            taken = rows.batch_work.take()
        if taken is None:
            return False
        batch, lease = taken
        try:
            delay_s = self._look_after(batch, lease)
        except LeaseLostError as error:
            log.warning("%s", error)
            return True
        except JobsError as error:
            log.warning("%s: %s", batch.id, error)
            delay_s = _AGAIN_S
        except Exception:
            # The next look may go better, and other batches must go on in any case.
            log.exception("%s", batch.id)
            delay_s = _AGAIN_S
        with suppress(LeaseLostError), self._database.transaction() as rows:
            rows.batch_work.give_back(lease, delay_s)
        return True

    def _look_after(self, batch: Batch, lease: BatchLease) -> float:
        """Do what is next; return in how many seconds there may be more to do."""
        deadline = time.monotonic() + _AT_ONCE_S
        if batch.state == "reporting":
            return self._report(lease)
        if batch.is_cancel_requested:
            return self._cancel(lease, deadline)
        if batch.state == "reading":
            return self._read(batch, lease, deadline)
        if batch.retry_states:
            return self._wait_again(batch, lease, deadline)
        return self._feed(lease, deadline)

    def _read(self, batch: Batch, lease: BatchLease, deadline: float) -> float:
        position = dict(batch.position or {})
        try:
            if not position.get("is_done"):
                batch = self._read_lines(batch, lease, deadline)
                position = dict(batch.position or {})
            if not position.get("is_done"):
                return 0.0
            with self._database.transaction() as rows:
                rows.batch_feed.skip_own_outputs(lease)
            if batch.request.is_dry_run:
                found = estimate(batch, self._where, self._renewal(lease))
                with self._database.transaction() as rows:
                    rows.batch_work.set_state(lease, "planned", estimate=found)
            else:
                with self._database.transaction() as rows:
                    rows.batch_work.set_state(lease, "running")
        except LeaseLostError:
            raise
        except JobsError as error:
            if error.is_temporary:
                raise
            log.warning("%s failed: %s", batch.id, error)
            with self._database.transaction() as rows:
                rows.batch_work.set_state(lease, "failed", Reason(error.code, str(error)))
        return 0.0

    def _read_lines(self, batch: Batch, lease: BatchLease, deadline: float) -> Batch:
        with self._database.reading() as rows:
            watched = [Place(*each) for each in rows.batch_feed.watched_prefixes()]
        maker = LineMaker(batch, watched, self._settings.max_input_bytes)
        most = self._settings.batch_lines_max
        for bite in read_on(batch, maker, self._where, self._renewal(lease)):
            if batch.lines_read + len(bite.lines) > most:
                raise RequestInvalidError(
                    f"The batch has more than {most} lines; split it, or have"
                    " FLASHVSR_BATCH_LINES_MAX raised."
                )
            with self._database.transaction() as rows:
                batch = rows.batch_work.add_lines(lease, bite.lines, bite.position)
            if batch.is_cancel_requested or time.monotonic() > deadline:
                break
        return batch

    def _renewal(self, lease: BatchLease) -> Callable[[int], None]:
        """Make what keeps the lease while bytes come."""
        last = time.monotonic()

        def renew(_: int) -> None:
            nonlocal last
            if time.monotonic() - last > self._database.policy.batch_lease_s / 4:
                last = time.monotonic()
                with self._database.transaction() as rows:
                    rows.batch_work.keep(lease)

        return renew

    def _wait_again(self, batch: Batch, lease: BatchLease, deadline: float) -> float:
        moved = 1
        while moved and time.monotonic() < deadline:
            with self._database.transaction() as rows:
                moved = rows.batch_feed.wait_again(lease, batch.retry_states)
                if not moved:
                    rows.batch_work.forget_retry(lease)
        return 0.0

    def _cancel(self, lease: BatchLease, deadline: float) -> float:
        while time.monotonic() < deadline:
            with self._database.transaction() as rows:
                canceled = rows.batch_feed.cancel_waiting(lease)
            if canceled:
                continue
            with self._database.transaction() as rows:
                batch, live = rows.batch_work.keep(lease), rows.batch_feed.live_jobs(lease)
                for job_id in live:
                    with suppress(StateConflictError, JobNotFoundError):
                        rows.jobs.cancel(batch.actor, job_id)
                if not live and not rows.batch_feed.active_count(lease):
                    rows.batch_work.set_state(lease, "reporting")
                    return 0.0
            return self._settings.sweep_s
        return 0.0

    def _feed(self, lease: BatchLease, deadline: float) -> float:
        queues: set[str] = set()
        try:
            while time.monotonic() < deadline:
                with self._database.transaction() as rows:
                    batch = rows.batch_work.keep(lease)
                    queues |= set(rows.batch_feed.hold(lease, is_held=batch.is_paused))
                    if batch.is_paused:
                        return self._settings.sweep_s
                    room = self._window(batch) - rows.batch_feed.active_count(lease)
                    lines = rows.batch_feed.next_lines(lease, min(room, _QUEUED_AT_ONCE))
                    for line in lines:
                        queues |= _queue(rows, batch, lease, line)
                    if lines:
                        rows.batch_work.note_start(lease)
                        continue
                    if room == self._window(batch):
                        rows.batch_work.set_state(lease, "reporting")
                        return 0.0
                return self._settings.sweep_s
            return 0.0
        finally:
            for queue in sorted(queues):
                # The sweep rings again for what waits.
                with suppress(BrokerUnavailableError):
                    self._bell.ring(queue)

    def _window(self, batch: Batch) -> int:
        allowed = batch.limits.queued_jobs
        window = self._database.policy.batch_window
        return window if allowed is None else max(1, min(window, allowed))

    def _report(self, lease: BatchLease) -> float:
        with self._database.transaction() as rows:
            batch, counts = rows.batch_work.keep(lease), rows.batch_work.counts(lease)
        reports, reason = put_reports(batch, counts, self._where, self._renewal(lease))
        with self._database.transaction() as rows:
            end: BatchState = (
                "canceled" if rows.batch_work.keep(lease).is_cancel_requested else "completed"
            )
            rows.batch_work.set_state(lease, end, reason, reports=reports)
        log.info("%s is %s: %s", batch.id, end, counts)
        return 0.0


def _queue(rows: Repository, batch: Batch, lease: BatchLease, line: BatchLine) -> set[str]:
    """Make a line's job, or let its earlier one run again; name the queue that has work."""
    try:
        if line.job_id is not None:
            with suppress(JobNotFoundError):
                job = rows.jobs.retry(batch.actor, line.job_id)
                return {job.request.queue}
        origin = Origin(batch.id, line.number)
        job = rows.jobs.submit(batch.actor, batch.request_of(line), origin=origin).job
    except JobsError as error:
        if error.is_temporary:
            raise
        rows.batch_feed.end_line(lease, line.number, "refused", Reason(error.code, str(error)))
        return set()
    rows.batch_feed.activate(lease, line.number, job.id)
    return {job.request.queue}
