"""One worker process: known to the database, taking job after job."""

import logging
import os
import platform
import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType
from typing import Any

from jobs.errors import DatabaseUnavailableError, JobsError, WorkerNotFoundError
from jobs.repository.claims import Claim, WorkerWanted
from worker.failures import failure_of
from worker.gpu_gauge import GpuGauge
from worker.run_job import run_job
from worker.settings import WorkerSettings
from worker.tools import NOTE_OF_LIFE, Tools

BROKEN = 70
"""The exit status of a process whose GPU is broken; whoever started it starts another one."""

JOBS_AT_ONCE = 100
"""After so many the bell task returns, so that Celery gets a word in."""

_REPORT_S = 5.0
_SILENT_S = 60.0

log = logging.getLogger(__name__)


class Station:
    """Takes jobs until there are none, and tells the database that it lives."""

    def __init__(self, tools: Tools, leave: Callable[[], None]) -> None:
        """Wrap opened tools; `leave` is called when the operator wants the process to exit."""
        self._tools = tools
        self._leave = leave
        self._gauge = GpuGauge()
        self._problem: str | None = None
        self._wanted: WorkerWanted = "run"
        self._is_busy = False
        self._is_over = False
        self._has_news = threading.Event()
        self._thread = threading.Thread(target=self._report, name="presence", daemon=True)
        self._turn = threading.Lock()
        self._patrol_over = threading.Event()
        self._patrol = threading.Thread(target=self._look, name="patrol", daemon=True)

    def start(self) -> None:
        """Begin to tell that this process lives, then load the first pipeline."""
        self._gauge.start()
        self._thread.start()
        self.is_ready()

    def patrol(self) -> None:
        """Look for work now and then without a bell.

        A broker that goes away at the wrong moment can leave its listener deaf for good: an
        acknowledgement that fails keeps counting against the one message that may be open.
        """
        self._patrol.start()

    def _look(self) -> None:
        while not self._patrol_over.wait(self._tools.settings.look_s):
            self.run_waiting()

    def stop(self) -> None:
        """Give back the job that runs and take no more."""
        self._tools.stopping.set()

    def close(self) -> None:
        """Say goodbye."""
        self._gauge.close()
        self._is_over = True
        self._has_news.set()
        self._thread.join()
        self._patrol_over.set()
        if self._patrol.is_alive():
            self._patrol.join()
        try:
            with self._tools.database.transaction() as rows:
                rows.workers.leave(self._tools.settings.worker_id)
        except JobsError as error:
            log.warning("the worker's row stays: %s", error)
        self._tools.close()

    def run_waiting(self, limit: int = JOBS_AT_ONCE) -> int:
        """Run one job after the other until none waits; return how many there were.

        Returns at once where another thread of this process is at it.
        """
        if not self._turn.acquire(blocking=False):
            return 0
        try:
            return self._run_waiting(limit)
        finally:
            self._turn.release()

    def _run_waiting(self, limit: int) -> int:
        count = 0
        while count < limit and not self._tools.stopping.is_set() and self.is_ready():
            claim = self._claim()
            if claim is None:
                break
            count += 1
            self._is_busy = True
            try:
                failure = run_job(claim, self._tools)
            finally:
                self._is_busy = False
            if failure is not None and failure.is_process_broken:
                log.critical("the GPU does not answer properly any more; this process exits")
                os._exit(BROKEN)
        if self._wanted == "stop":
            self._leave()
        return count

    def ring(self, queue: str) -> None:
        """Have the rest of the work looked at, here or elsewhere."""
        self._tools.ring(queue)

    def is_ready(self) -> bool:
        """Make sure that a model is loaded: who cannot load one must not use up jobs' attempts."""
        if self._tools.engine.facts.get("pipeline") is not None:
            return True
        try:
            self._tools.engine.load(self._tools.settings.served_pipelines[0])
            self._problem = None
        except Exception as error:
            self._problem = f"{failure_of(error).reason.code}: {error}"
            log.exception("no jobs are taken, since the model cannot be loaded")
        self._has_news.set()
        return self._problem is None

    def _claim(self) -> Claim | None:
        settings = self._tools.settings
        try:
            with self._tools.database.transaction() as rows:
                return rows.claims.claim(
                    settings.worker_id, settings.served_queues, settings.served_pipelines
                )
        except DatabaseUnavailableError as error:
            log.warning("no job can be claimed now: %s", error)
            return None

    def _report(self) -> None:
        is_known = False
        parent = os.getppid()
        while True:
            try:
                is_known = self._report_once(is_known)
                if self._problem is None:
                    self._tools.note_of_life.touch()
            except JobsError as error:
                log.warning("the worker's row could not be written: %s", error)
            if os.getppid() != parent:
                # Whoever started this process is gone and can neither stop nor replace it.
                self.stop()
                self._leave()
            if self._has_news.wait(_REPORT_S if is_known else 1.0):
                self._has_news.clear()
            if self._is_over:
                return

    def _report_once(self, is_known: bool) -> bool:
        settings = self._tools.settings
        with self._tools.database.transaction() as rows:
            if not is_known:
                rows.workers.register(settings.worker_id, settings.served_queues, self._facts())
                return True
            try:
                self._wanted = rows.workers.report(settings.worker_id, self._facts())
            except WorkerNotFoundError:
                return False
        if self._wanted == "stop" and not self._is_busy:
            self._leave()
        return True

    def _facts(self) -> dict[str, Any]:
        return {
            **self._tools.engine.facts,
            "host": platform.node(),
            "pid": os.getpid(),
            "pipelines": list(self._tools.settings.served_pipelines),
            "frames_per_s": self._tools.frames_per_s,
            "gpu_busy": self._gauge.busy,
            "is_draining": self._wanted != "run" or self._tools.stopping.is_set(),
            "problem": self._problem,
        }


def on_signals(act: Callable[[], None], *numbers: signal.Signals) -> None:
    """Call from a thread of its own when the first of these signals comes.

    A handler itself runs in the middle of anything, where taking a lock can block for ever.
    """
    came: SimpleQueue[int] = SimpleQueue()

    def note(number: int, frame: FrameType | None) -> None:
        came.put(number)

    def watch() -> None:
        came.get()
        act()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, note)


def are_alive(settings: WorkerSettings) -> bool:
    """Tell whether this machine's workers have lately told the database that they can take jobs."""
    notes = list(settings.own_scratch.parent.glob(f"*/{NOTE_OF_LIFE}"))
    return bool(notes) and all(time.time() - note.stat().st_mtime < _SILENT_S for note in notes)
