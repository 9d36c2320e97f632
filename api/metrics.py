"""Figures for Prometheus: what the database says at the moment of the scrape, and request times."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.services import Services
from jobs.api_key import EVERY_TENANT

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def request_seconds(registry: CollectorRegistry) -> Histogram:
    """Make the histogram of requests; long polls are part of it, under their route."""
    return Histogram(
        "flashvsr_http_request_seconds",
        "From the request's head to the head of the answer.",
        ("method", "route", "status"),
        buckets=_BUCKETS_S,
        registry=registry,
    )


class RowFigures(Collector):
    """Read at the scrape, so that all processes of the API tell the same."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Read the figures in one transaction."""
        with self._services.database.reading() as rows:
            counts = rows.job_lists.state_counts(EVERY_TENANT)
            backlogs = rows.job_lists.backlogs(EVERY_TENANT)
            queues = rows.queues.list()
            workers = rows.workers.list()
        jobs = GaugeMetricFamily("flashvsr_jobs", "Jobs by state.", labels=("queue", "state"))
        for count in counts:
            jobs.add_metric((count.queue, count.state), count.jobs)
        ready = GaugeMetricFamily("flashvsr_ready_jobs", "Could run now.", labels=("queue",))
        oldest = GaugeMetricFamily(
            "flashvsr_oldest_wait_seconds", "Of those that could run now.", labels=("queue",)
        )
        paused = GaugeMetricFamily("flashvsr_queue_paused", "1 is paused.", labels=("queue",))
        waiting = {backlog.queue: backlog for backlog in backlogs}
        for queue in queues:
            backlog = waiting.get(queue.name)
            ready.add_metric((queue.name,), backlog.jobs if backlog else 0)
            oldest.add_metric((queue.name,), backlog.oldest_wait_s if backlog else 0)
            paused.add_metric((queue.name,), queue.paused_at is not None)
        busy = GaugeMetricFamily("flashvsr_workers", "Known workers.", labels=("activity",))
        working = sum(worker.job_id is not None for worker in workers)
        busy.add_metric(("busy",), working)
        busy.add_metric(("idle",), len(workers) - working)
        broker = GaugeMetricFamily("flashvsr_broker_up", "0 after a bell that nobody heard.")
        broker.add_metric((), self._services.broker != "failing")
        return (jobs, ready, oldest, paused, busy, broker)
