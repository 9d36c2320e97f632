"""`flashvsr serve`: API, worker and sweeper in one go, on SQLite and local folders by default.

`DATABASE_URL`, `BROKER_URL` and `STORAGE_URL` switch each part to Postgres, to Redis or RabbitMQ,
and to S3. The parts are processes of their own, as on a farm. Where an S3 server is known, one of
them takes the events of watched prefixes.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli.folders import Weights, default_weights

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_START_S = 60.0
_STOP_S = 30.0


class ServiceError(Exception):
    """A part of the service did not start, or ended by itself."""

    code = "service_failed"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8000,
    data_dir: Annotated[
        Path, typer.Option(help="Database and files, where no URL says otherwise.")
    ] = Path("flashvsr-data"),
    weights: Weights = None,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N or cpu.")] = "auto",
) -> None:
    """Start the whole service on this machine; Ctrl-C stops it and gives running jobs back."""
    environment = {
        "FLASHVSR_SCRATCH": str((data_dir / "scratch").absolute()),
        **os.environ,
        "FLASHVSR_HOST": host,
        "FLASHVSR_PORT": str(port),
        "FLASHVSR_DATA_DIR": str(data_dir.absolute()),
        "FLASHVSR_DEVICE": device,
        "FLASHVSR_WEIGHTS": weights or os.environ.get("FLASHVSR_WEIGHTS") or default_weights(),
        "THP_MEM_ALLOC_ENABLE": "1",
    }
    data_dir.mkdir(parents=True, exist_ok=True)
    _run("migrations", environment=environment)
    first_key = _run("api", "keys", "first", environment=environment)
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104
    parts: dict[str, subprocess.Popen[bytes]] = {}
    try:
        parts["API"] = _start("api", environment=environment)
        _wait_until_ready(address, parts["API"])
        parts["sweeper"] = _start("worker", "sweep", environment=environment)
        if _reaches_buckets(environment):
            parts["taker of events"] = _start("worker", "events", environment=environment)
        parts["worker"] = _start("worker", environment=environment)
        print(f"FlashVSR Service listens on {address} (documentation: {address}/docs)")
        if first_key:
            secret = json.loads(first_key)["secret"]
            print(f"The first API key, shown this once:\nexport FLASHVSR_API_KEY={secret}")
        sys.stdout.flush()
        _watch(parts)
    finally:
        _stop(parts)


def _reaches_buckets(environment: Mapping[str, str]) -> bool:
    """Tell whether there is an S3 server whose prefixes can be watched."""
    is_s3 = environment.get("STORAGE_URL", "").startswith("s3:")
    return bool(environment.get("FLASHVSR_BUCKETS_URL")) or is_s3


def _run(*module: str, environment: Mapping[str, str]) -> str:
    """Run a module to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *module],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServiceError(f"'python -m {' '.join(module)}' failed; see its message above")
    return done.stdout


def _start(*module: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in the terminal reaches this process alone, which then stops the
    # parts in order.
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        env=environment,
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )


def _end_with_parent() -> None:
    """Be terminated as well where the parent is killed and can stop nobody."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_ready(address: str, api: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, OSError) as error:
            if api.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(
                    f"The API did not get ready on {address} ({error}); see its message above"
                ) from error
            time.sleep(0.1)


def _watch(parts: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Return never; raise when a part ends by itself."""
    while True:
        for name, process in parts.items():
            if process.poll() is not None:
                raise ServiceError(
                    f"The {name} ended by itself with {process.returncode}; see its message above"
                )
        time.sleep(0.5)


def _stop(parts: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Stop the worker first, so that its job is given back while the rest still runs."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for process in reversed(list(parts.values())):
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
