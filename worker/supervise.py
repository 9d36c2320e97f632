"""Starts one worker process for each GPU, and another one where one dies."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from worker.settings import WorkerSettings
from worker.station import on_signals

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_SOUND_S = 60.0
"""A process that lived so long starts again at once when it dies."""

log = logging.getLogger(__name__)


def visible_gpus(settings: WorkerSettings) -> list[str]:
    """Name this machine's GPUs as CUDA_VISIBLE_DEVICES does; none where the CPU is to be used."""
    if settings.device == "cpu":
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu.strip() for gpu in named.split(",") if gpu.strip()]
    if settings.engine == "stub" or not Path("/dev/nvidiactl").exists():
        return []
    # In a process of its own: this one must never load torch.
    count = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [str(index) for index in range(int(count.stdout))]


def supervise(settings: WorkerSettings) -> int:
    """Run until SIGTERM or SIGINT; return an exit status."""
    stopping = threading.Event()
    gpus: list[str | None] = [*visible_gpus(settings)]
    processes = [_Process(gpu, stopping) for gpu in gpus or [None]]

    def stop() -> None:
        stopping.set()
        for process in processes:
            process.terminate()

    on_signals(stop, signal.SIGTERM, signal.SIGINT)
    threads = [threading.Thread(target=process.keep) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


class _Process:
    """One GPU's process, or the CPU's."""

    def __init__(self, gpu: str | None, stopping: threading.Event) -> None:
        self._gpu = gpu
        self._stopping = stopping
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """Keep it running until it ends well, which it does only when it was told to."""
        wait_s = _FIRST_WAIT_S
        while (process := self._start()) is not None:
            started = time.monotonic()
            status = process.wait()
            if status == 0:
                return
            if time.monotonic() - started > _SOUND_S:
                wait_s = _FIRST_WAIT_S
            log.error("the worker on %s ended with %d", self._gpu or "the CPU", status)
            self._stopping.wait(wait_s)
            wait_s = min(_LONGEST_WAIT_S, wait_s * 2)

    def _start(self) -> subprocess.Popen[bytes] | None:
        environment = dict(os.environ)
        if self._gpu is not None:
            environment |= {"CUDA_VISIBLE_DEVICES": self._gpu, "FLASHVSR_GPU": self._gpu}
        with self._lock:
            if self._stopping.is_set():
                return None
            # A session of its own, so that Ctrl-C in a terminal reaches this process alone.
            self._running = subprocess.Popen(
                [sys.executable, "-m", "worker", "one"], env=environment, start_new_session=True
            )
            return self._running

    def terminate(self) -> None:
        """Tell it to give its job back and exit."""
        with self._lock:
            if self._running is not None and self._running.poll() is None:
                self._running.terminate()
