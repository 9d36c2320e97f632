"""Run the installed `flashvsr` command as a user does."""

import subprocess
import sys
from pathlib import Path

FLASHVSR = Path(sys.executable).parent / "flashvsr"


def flashvsr(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run to the end and check the exit code; a traceback is never right."""
    done = subprocess.run(
        [FLASHVSR, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def one_sentence(stderr: str) -> str:
    """Return what an error said, which must be one line."""
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].endswith(".")
    return lines[0]
