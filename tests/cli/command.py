"""Run the `flashvsr` command as a user does."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.patience import PATIENCE_S

FLASHVSR = Path(sys.executable).parent / "flashvsr"
"""The installed command, for what is to be watched or interrupted."""

# Each run is a process of its own, but the libraries are imported once for all: torch alone takes
# longer than most of these commands.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["cli.main", "media.open", "flashvsr_core", "upscaling"])


def flashvsr(
    *arguments: str | Path, code: int = 0, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end and check the exit code; a traceback is never right."""
    words = [str(FLASHVSR), *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        chosen = dict(os.environ if environment is None else environment)
        process = _PROCESSES.Process(target=_run, args=(words, chosen, out, err))
        process.start()
        process.join(3 * PATIENCE_S)
        if process.exitcode is None:
            process.kill()
            process.join()
        done = subprocess.CompletedProcess(
            words, process.exitcode or 0, out.read_text(), err.read_text()
        )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def _run(words: list[str], environment: dict[str, str], out: Path, err: Path) -> None:
    """Become the command, in the child."""
    sys.argv = words
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    from cli.main import main

    main()


def one_sentence(stderr: str) -> str:
    """Return what an error said, which must be one line."""
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].endswith(".")
    return lines[0]
