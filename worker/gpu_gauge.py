"""How busy the GPU of this process is, asked of the driver and not of torch.

NVML through `nvidia-ml-py` where it is installed, which costs nothing; else `nvidia-smi`, which the
driver brings along. Where there is neither, or no GPU, nothing is told.
"""

import importlib
import logging
import os
import shutil
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress

_EVERY_S = 5.0
_MEAN_OF = 12
"""With one reading every 5 s, the mean over a minute: what a sample of the dashboard stands for."""
_PATIENCE_S = 10.0

log = logging.getLogger(__name__)


class GpuGauge:
    """Reads the utilisation from time to time, in a thread of its own."""

    def __init__(self, every_s: float = _EVERY_S) -> None:
        self._every_s = every_s
        self._readings: deque[float] = deque(maxlen=_MEAN_OF)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gpu", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Read no more."""
        self._is_over.set()

    @property
    def busy(self) -> float | None:
        """The share of the last minute in which the GPU did something, 0 to 1; None if unknown."""
        readings = list(self._readings)
        return round(sum(readings) / len(readings), 3) if readings else None

    def _run(self) -> None:
        while True:
            started = time.monotonic()
            share = read_busy()
            if share is None:
                # Nobody here can tell, and that does not change while a process lives.
                log.info("the GPU's utilisation cannot be read here")
                return
            self._readings.append(share)
            spent_s = time.monotonic() - started
            if self._is_over.wait(max(0.0, self._every_s - spent_s)):
                return


def read_busy() -> float | None:
    """Read the utilisation once, 0 to 1; None where nobody can tell."""
    device = own_device()
    if device is None:
        return None
    share = _by_nvml(device)
    return share if share is not None else _by_smi(device)


def own_device() -> str | None:
    """Name the first GPU that this process may use, by index or by UUID; None for none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return "0"
    first = visible.split(",")[0].strip()
    return None if first in ("", "-1", "NoDevFiles") else first


def _by_nvml(device: str) -> float | None:
    try:
        pynvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            if device.isdigit():
                handle = pynvml.nvmlDeviceGetHandleByIndex(int(device))
            else:
                handle = pynvml.nvmlDeviceGetHandleByUUID(device)
            return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
        finally:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None


def _by_smi(device: str) -> float | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--id={device}"]
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own program
            [program, *query],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        return float(done.stdout.splitlines()[0]) / 100 if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return None
