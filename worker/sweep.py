"""The sweeper: puts right what dead workers, lost messages and time have left behind.

Each duty has a thread of its own, so that a receiver that is slow or a store that is away does not
keep expired leases from being freed. Any number of sweepers may run at once.
"""

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.api_key import EVERY_TENANT
from jobs.database import Database
from jobs.errors import BrokerUnavailableError, JobNotFoundError, JobsError, StorageError
from jobs.object_keys import RESULTS, UPLOADS
from jobs.placement import Place
from jobs.queue import Bell
from jobs.repository.outbox import Delivery
from jobs.settings import JobsSettings
from jobs.storage import Storage
from worker.bulk.keeper import BatchKeeper
from worker.settings import SweeperSettings
from worker.station import on_signals
from worker.webhooks import Webhooks

if TYPE_CHECKING:
    from jobs.storage.buckets import Buckets

_BITE = 100
_HOUR_S = 3600.0
_SAMPLE_S = 10.0
"""Samples are for minutes; looking more often keeps the plots' latest point young."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Duty:
    name: str
    every_s: float
    do: Callable[[], object]


class Sweeper:
    """Everything that is done regularly; each method can be called at any time."""

    def __init__(
        self,
        settings: SweeperSettings,
        database: Database,
        storage: Storage,
        bell: Bell,
        buckets: "Buckets | None" = None,
    ) -> None:
        self._database, self._storage, self._bell = database, storage, bell
        webhooks = Webhooks(
            database, settings.webhook_timeout_s, allows_private=settings.webhook_private
        )
        self._buckets = buckets
        self._batches = BatchKeeper(settings, database, storage, buckets, bell)
        # In the order in which one causes work for the next.
        self._duties = (
            _Duty("leases", settings.sweep_s, self.free_leases),
            _Duty("expiry", settings.sweep_s, self.expire),
            _Duty("bells", settings.sweep_s, self.ring_for_deliveries),
            _Duty("waiting", settings.ring_s, self.ring_for_waiting),
            _Duty("batches", settings.sweep_s, self._batches.look_after_all),
            _Duty("webhooks", settings.sweep_s, webhooks.deliver),
            _Duty("removals", settings.sweep_s, self.remove),
            _Duty("aborts", settings.sweep_s, self.abort_uploads),
            _Duty("orphans", settings.orphans_s, self.remove_orphans),
            _Duty("records", _HOUR_S, self.forget),
            _Duty("samples", _SAMPLE_S, self.sample),
        )

    @classmethod
    def open(cls, settings: SweeperSettings, where: JobsSettings) -> "Sweeper":
        """Open everything."""
        return cls(
            settings,
            where.open_database(),
            where.open_storage(),
            where.open_bell(),
            where.open_buckets(),
        )

    def close(self) -> None:
        """Close everything."""
        self._bell.close()
        self._database.close()

    def run(self, stopping: threading.Event) -> None:
        """Do all duties, each at its own pace, until it is time to stop."""
        threads = [
            threading.Thread(target=self._keep, args=(duty, stopping), name=duty.name)
            for duty in self._duties
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def sweep_once(self) -> None:
        """Do all duties once."""
        for duty in self._duties:
            _do(duty)

    def _keep(self, duty: _Duty, stopping: threading.Event) -> None:
        while True:
            _do(duty)
            if stopping.wait(duty.every_s):
                return

    def free_leases(self) -> int:
        """Let jobs go on whose worker was not heard of."""
        count, freed = 0, _BITE
        while freed == _BITE:
            with self._database.transaction() as rows:
                jobs = rows.sweeps.free_expired_leases(_BITE)
            for job in jobs:
                log.warning("%s lost its worker and is %s now", job.id, job.state)
            freed = len(jobs)
            count += freed
        return count

    def expire(self) -> int:
        """Withdraw results and uploads that were kept long enough."""
        with self._database.transaction() as rows:
            return len(rows.sweeps.expire_results(_BITE)) + len(rows.sweeps.expire_uploads(_BITE))

    def ring_for_deliveries(self) -> int:
        """Ring for jobs that were queued; who queued them may have failed to."""
        with self._database.transaction() as rows:
            deliveries = rows.outbox.take("bell", _BITE)
        try:
            for queue in sorted({delivery.payload["queue"] for delivery in deliveries}):
                self._ring_for_idle(queue)
            error = None
        except BrokerUnavailableError as reason:
            error = str(reason)
            log.warning("bells: %s", error)
        with self._database.transaction() as rows:
            for delivery in deliveries:
                if error is None:
                    rows.outbox.delivered(delivery)
                else:
                    rows.outbox.undelivered(delivery, error)
        return len(deliveries)

    def ring_for_waiting(self) -> None:
        """Ring for queues in which something waits; bells get lost."""
        with self._database.reading() as rows:
            queues = rows.sweeps.waiting_queues()
        for queue in queues:
            self._ring_for_idle(queue)

    def _ring_for_idle(self, queue: str) -> None:
        """Ring once for each worker that has nothing to do, since one bell wakes one worker."""
        with self._database.reading() as rows:
            idle = [w for w in rows.workers.list() if w.job_id is None and queue in w.queues]
        for _ in range(max(1, len(idle))):
            self._bell.ring(queue)

    def remove(self) -> int:
        """Remove objects that nothing refers to any more."""
        with self._database.transaction() as rows:
            deliveries = rows.outbox.take("removal", _BITE)
        for delivery in deliveries:
            error: str | None = None
            try:
                self._storage.delete(delivery.payload["prefix"])
            except StorageError as reason:
                error = str(reason)
            with self._database.transaction() as rows:
                if error is None:
                    rows.outbox.delivered(delivery)
                else:
                    rows.outbox.undelivered(delivery, error)
        return len(deliveries)

    def abort_uploads(self) -> int:
        """Abort uploads in parts to people's own buckets whose worker died on the way."""
        with self._database.transaction() as rows:
            deliveries = rows.outbox.take("abort", _BITE)
        for delivery in deliveries:
            error: str | None = None
            try:
                if self._is_running(delivery):
                    error = "The attempt still runs."
                elif self._buckets is not None:
                    place = Place.of_url(delivery.payload["url"])
                    self._buckets.abort(place, delivery.payload["upload_id"])
            except StorageError as reason:
                error = str(reason)
            with self._database.transaction() as rows:
                if error is None:
                    rows.outbox.delivered(delivery)
                else:
                    rows.outbox.undelivered(delivery, error)
        return len(deliveries)

    def _is_running(self, delivery: Delivery) -> bool:
        with suppress(JobNotFoundError), self._database.reading() as rows:
            job = rows.jobs.get(EVERY_TENANT, delivery.job_id or "")
            return job.state == "running" and job.attempt == delivery.payload["attempt"]
        return False

    def remove_orphans(self) -> int:
        """Search the whole store for objects that belong to nobody, and remove them."""
        count = 0
        for prefix in (RESULTS, UPLOADS):
            # First the store, then the database: an owner's row is older than its objects.
            keys = [facts.key for facts in self._storage.list(prefix)]
            keys += self._storage.list_unfinished(prefix)
            with self._database.reading() as rows:
                orphans = rows.sweeps.orphans(keys)
            for key in orphans:
                self._storage.delete(key)
            count += len(orphans)
        if count:
            log.warning("%d objects belonged to nobody and were removed", count)
        return count

    def forget(self) -> int:
        """Delete rows that only history needed."""
        with self._database.transaction() as rows:
            return (
                rows.sweeps.forget_old_records()
                + rows.batch_work.forget_old()
                + rows.samples.forget_old()
                + rows.logins.forget_ended()
                + rows.s3_events.forget_old()
            )

    def sample(self) -> bool:
        """Measure what the dashboard plots, once a minute whoever sweeps."""
        with self._database.transaction() as rows:
            return rows.samples.take()


def sweep(settings: SweeperSettings, where: JobsSettings) -> None:
    """Sweep until SIGTERM or SIGINT."""
    stopping = threading.Event()
    on_signals(stopping.set, signal.SIGTERM, signal.SIGINT)
    sweeper = Sweeper.open(settings, where)
    sweeper.run(stopping)
    sweeper.close()


def _do(duty: _Duty) -> None:
    try:
        duty.do()
    except JobsError as error:
        log.warning("%s: %s", duty.name, error)
    except Exception:
        # The next round may go better, and the other duties must go on in any case.
        log.exception("%s", duty.name)
