"""The Celery task that a bell starts, and the process that it runs in.

Everything is opened in the pool's child: the parent holds no connection and never loads torch.
"""

import os
import signal
import threading

import billiard.pool
from billiard.process import active_children
from celery import shared_task
from celery.signals import (
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)

from jobs.queue import TASK
from jobs.settings import read_settings
from worker.logs import set_up_logging
from worker.settings import read_worker_settings
from worker.station import JOBS_AT_ONCE, Station, on_signals
from worker.tools import Tools

STOP = signal.SIGUSR2
"""Tells the child to give its job back. The pool takes SIGTERM for itself when a child starts."""

_TRIES_TO_BE_HEARD = 10
"""How often, every 0.1 s, a child that exits looks whether the parent has read all that it told.

Billiard's own number makes 30 s. A parent that is stopped before it has read that the child took a
bell forgets that bell and reads nothing more, so that the child would wait for all that time. It
need not: rows tell how jobs end, and a parent that does read finds in the pipe what was left there.
"""

_station: Station | None = None
_listens = False


@shared_task(name=TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def claim_and_run(queue: str) -> None:
    """Look for work, in whichever queue that is served here, until there is none."""
    assert _station is not None, "the child was prepared when it started"
    _listen()
    if _station.run_waiting() == JOBS_AT_ONCE:
        _station.ring(queue)


def _open_station(**_: object) -> None:
    global _station
    settings = read_worker_settings()
    set_up_logging(settings.log_format)
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = _TRIES_TO_BE_HEARD
    _station = Station(Tools.open(settings, read_settings()), _leave)
    on_signals(_station.stop, STOP)
    _station.start()
    _station.patrol()


def _close_station(**_: object) -> None:
    if _station is not None:
        _station.close()


def _stop_children(**_: object) -> None:
    """Make a warm shutdown a short one.

    A cold one (SIGQUIT, REMAP_SIGTERM) would kill the child before it could give its job back.
    """
    for child in active_children():
        os.kill(child.pid, STOP)


def _set_up_logging(**_: object) -> None:
    set_up_logging(read_worker_settings().log_format)


def _listen() -> None:
    """Take SIGTERM back from the pool, for those who send it to every process of a service."""
    global _listens
    if not _listens:
        _listens = True
        on_signals(_stop_all, signal.SIGTERM)


def _stop_all() -> None:
    assert _station is not None
    _station.stop()
    _leave()


def _leave() -> None:
    """End the whole worker: the pool would replace a child that just exits."""
    os.kill(os.getppid(), signal.SIGTERM)


# Celery's handler of SIGTERM holds this lock for a moment, and another SIGTERM may interrupt it
# then: where every process gets one, the child passes its own on to the parent. With Celery's plain
# lock the second handler would wait for ever for the first one, which lies beneath it on the stack.
worker_shutting_down.lock = threading.RLock()

worker_process_init.connect(_open_station)
worker_process_shutdown.connect(_close_station)
worker_shutting_down.connect(_stop_children)
setup_logging.connect(_set_up_logging)
