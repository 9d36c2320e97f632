"""The Celery application: one prefork child, whose messages are nothing but bells."""

from typing import Any

from celery import Celery

from jobs.queue import broker_options, broker_queue
from jobs.settings import JobsSettings
from worker.settings import WorkerSettings

_CHILD_STARTS_S = 600
"""Within which a child must have loaded its model; Celery kills it after 4 s by default."""


def make_app(where: JobsSettings) -> Celery:
    """Make the application for the broker that the settings name."""
    assert where.broker_url is not None
    app = Celery("flashvsr", broker=where.broker_url, include=["worker.tasks"])
    app.conf.update(
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=broker_options(where.broker_url),
        # A bell is done with when it was heard: the row remembers the job, not the message.
        task_acks_late=False,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        # A forked child would inherit threads' locks and, one day, CUDA.
        worker_pool_start_method="spawn",
        worker_proc_alive_timeout=_CHILD_STARTS_S,
        # A job does not need the broker while it runs.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Orders come through the worker's row; what is not there cannot break when Redis restarts.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
    )
    return app


def listen(settings: WorkerSettings, where: JobsSettings) -> None:
    """Serve bells until SIGTERM; returns when the worker has ended."""
    queues = ",".join(broker_queue(queue) for queue in settings.served_queues)
    app: Any = make_app(where)
    app.worker_main(
        [
            "worker",
            "--pool=prefork",
            "--concurrency=1",
            f"--queues={queues}",
            f"--hostname=gpu-{settings.gpu}@{settings.worker_name}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel=WARNING",
        ]
    )
