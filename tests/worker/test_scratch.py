"""What is left of attempts is removed; what is in use never is."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.worker.world import ROOT
from worker.scratch import held_folder, remove_abandoned

HOLD = """
import sys
from pathlib import Path
from worker.scratch import held_folder
with held_folder(Path(sys.argv[1])) as folder:
    (folder / "input.mp4").write_bytes(b"a film")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_gone_with_its_attempt(tmp_path: Path) -> None:
    with held_folder(tmp_path / "deep" / "job_1-1") as folder:
        (folder / "input").mkdir()
        (folder / "input" / "film.mp4").write_bytes(b"a film")
        assert folder == tmp_path / "deep" / "job_1-1"
    assert list((tmp_path / "deep").iterdir()) == []


def test_the_living_keep_theirs_and_the_dead_do_not(tmp_path: Path) -> None:
    other = tmp_path / "job_1-1"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, other],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        remove_abandoned(tmp_path)
        assert (other / "input.mp4").read_bytes() == b"a film"
        process.send_signal(signal.SIGKILL)
    assert (other / "input.mp4").exists()
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_taken_between_making_and_holding(tmp_path: Path) -> None:
    is_over = threading.Event()

    def clear() -> None:
        while not is_over.is_set():
            remove_abandoned(tmp_path)

    thread = threading.Thread(target=clear)
    thread.start()
    try:
        for number in range(2000):
            with held_folder(tmp_path / f"job_{number}-1") as folder:
                (folder / "film").touch()
                assert (folder / "film").exists()
    finally:
        is_over.set()
        thread.join()
