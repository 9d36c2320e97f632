"""`flashvsr serve` and the commands that talk to it, as a person uses them on one machine."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from client import FlashVSRClient
from tests import clips
from tests.cli.command import FLASHVSR, flashvsr, one_sentence
from tests.media.looks import packets_md5, shown_at, video_stream
from tests.patience import PATIENCE_S, wait_until
from tests.servers.process import free_port


@dataclass(frozen=True)
class Running:
    """A service that was started for a test."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    said: str

    def flashvsr(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        return flashvsr(*arguments, code=code, environment=self.environment)

    def job(self, job_id: str) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.flashvsr("status", job_id, "--json").stdout)
        return document


@contextmanager
def service(
    data: Path, weights: Path | str | None, key: str | None = None, *, exit_code: int = 130
) -> Iterator[Running]:
    """Start `flashvsr serve`, wait until it listens, and stop it as Ctrl-C does."""
    port = free_port()
    embedded = ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "FLASHVSR_API_KEY")
    environment = {name: value for name, value in os.environ.items() if name not in embedded}
    chosen = ("--weights", weights) if weights else ()
    with subprocess.Popen(
        [FLASHVSR, "serve", "--port", str(port), "--data-dir", data, *chosen],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = process.stdout.readline()
        try:
            assert f"listens on http://127.0.0.1:{port}" in said
            if key is None:
                said += process.stdout.readline() + process.stdout.readline()
                key = said.rpartition("FLASHVSR_API_KEY=")[2].strip()
            environment |= {"FLASHVSR_URL": f"http://127.0.0.1:{port}", "FLASHVSR_API_KEY": key}
            yield Running(process, environment, said)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)
    assert process.returncode == exit_code


@pytest.fixture(scope="module")
def running(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with service(tmp_path_factory.mktemp("data"), random_weights) as started:
        yield started


def test_a_video_goes_through_the_service(running: Running, tmp_path: Path) -> None:
    source = clips.with_sound(tmp_path / "film é.mp4", frames=10)
    output = tmp_path / "large.mp4"
    done = running.flashvsr("submit", source, "--scale", "2", "--output", output)
    job_id = done.stdout.strip()
    assert "100 %" in done.stderr
    assert (video_stream(output)["width"], video_stream(output)["height"]) == (128, 96)
    assert shown_at(output) == shown_at(source)
    assert packets_md5(output, "a") == packets_md5(source, "a")
    assert running.job(job_id)["state"] == "succeeded"
    assert job_id in running.flashvsr("list", "--state", "succeeded").stdout
    assert job_id not in running.flashvsr("list", "--state", "failed").stdout
    poster = tmp_path / "poster.jpg"
    running.flashvsr("fetch", job_id, poster, "--part", "poster")
    assert poster.read_bytes().startswith(b"\xff\xd8")
    preview = tmp_path / "preview.mp4"
    running.flashvsr("fetch", job_id, preview, "--part", "preview")
    assert video_stream(preview)["codec_name"] == "h264"


def test_poisoned_input_fails_once_with_a_reason(running: Running, tmp_path: Path) -> None:
    source = tmp_path / "letter.mp4"
    source.write_text("not a film")
    done = running.flashvsr("submit", source, "--wait", code=1)
    job = running.job(done.stdout.strip())
    assert job["state"] == "failed"
    assert job["attempts_used"] == 1
    assert isinstance(job["error"], dict)
    assert job["error"]["code"] == "not_a_video"
    assert one_sentence(done.stderr.splitlines()[-1]).startswith("letter.mp4: ")


def test_a_job_can_be_canceled_and_tried_again(running: Running, tmp_path: Path) -> None:
    source = clips.plain(tmp_path / "film.mp4", size="128x96", frames=200)
    job_id = running.flashvsr("submit", source).stdout.strip()
    running.flashvsr("cancel", job_id)
    running.flashvsr("wait", job_id, code=1)
    assert running.job(job_id)["state"] == "canceled"
    running.flashvsr("retry", job_id)
    assert running.job(job_id)["state"] in ("queued", "running")
    running.flashvsr("cancel", job_id)
    running.flashvsr("wait", job_id, code=1)


def test_the_service_says_no_in_one_sentence(running: Running, tmp_path: Path) -> None:
    one_sentence(running.flashvsr("status", "job_nobody", code=7).stderr)
    one_sentence(running.flashvsr("status", "x", "--key", "fvsr_wrong", code=7).stderr)
    one_sentence(running.flashvsr("status", "x", "--url", "http://127.0.0.1:9", code=7).stderr)
    one_sentence(running.flashvsr("submit", tmp_path / "missing.mp4", code=7).stderr)


def test_nothing_is_left_running_when_it_is_killed(random_weights: Path, tmp_path: Path) -> None:
    with service(tmp_path / "data", random_weights, exit_code=-signal.SIGKILL) as running:
        pid = running.process.pid
        parts = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(parts) == 3, "API, sweeper and worker"
        running.process.kill()
    wait_until(lambda: not any(is_running(part) for part in parts))


def is_running(pid: str) -> bool:
    """Tell whether there is such a process that has not ended; an ended one may still be listed."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_what_was_begun_goes_on_after_a_restart(random_weights: Path, tmp_path: Path) -> None:
    source = clips.plain(tmp_path / "film.mp4", size="96x64", frames=24)
    with service(tmp_path / "data", random_weights) as first:
        assert re.search(r"FLASHVSR_API_KEY=fvsr_\w+", first.said)
        key = first.environment["FLASHVSR_API_KEY"]
        job_id = first.flashvsr("submit", source, "--scale", "2").stdout.strip()
        with FlashVSRClient(first.environment["FLASHVSR_URL"], key) as client:
            wait_until(lambda: client.get(job_id).state == "running")
    with service(tmp_path / "data", random_weights, key) as second:
        output = tmp_path / "large.mp4"
        second.flashvsr("wait", job_id)
        second.flashvsr("fetch", job_id, output)
        assert len(shown_at(output)) == 24
        job = second.job(job_id)
        assert job["state"] == "succeeded"
        assert job["attempts_used"] == 0  # being given back is not a failure
        assert job["attempt"] == 2
