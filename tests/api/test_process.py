"""`python -m api` as operators start it, in a process that has no torch."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx2
import pytest

from api.__main__ import main
from api.first_keys import create_first_key
from migrations import migrate
from tests.api.world import World
from tests.patience import PATIENCE_S, wait_until
from tests.servers.process import free_port, is_listening

ROOT = Path(__file__).parents[2]

FOREIGN = ("DATABASE_URL", "BROKER_URL", "STORAGE_URL")

Speak = Callable[..., tuple[int, str, str]]

WITHOUT_TORCH = """
import runpy, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "flashvsr_core", "worker"):
            raise ModuleNotFoundError(f"{name} is not for the API")
sys.meta_path.insert(0, Blocked())
sys.argv = ["api", *sys.argv[1:]]
runpy.run_module("api", run_name="__main__")
"""


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    migrate(f"sqlite:///{tmp_path / 'flashvsr.db'}")
    own = {"FLASHVSR_DATA_DIR": str(tmp_path), "FLASHVSR_PORT": str(free_port())}
    return {name: text for name, text in os.environ.items() if name not in FOREIGN} | own


@pytest.fixture
def server(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", WITHOUT_TORCH], env=environment, cwd=ROOT)
    port = int(environment["FLASHVSR_PORT"])
    wait_until(lambda: process.poll() is not None or is_listening(port))
    assert process.poll() is None
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def speak(
    environment: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Speak:
    """Run a command in this process; return its exit code and what it printed."""
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    for name in ("FLASHVSR_DATA_DIR", "FLASHVSR_PORT"):
        monkeypatch.setenv(name, environment[name])

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


def test_keys_are_made_listed_and_revoked(speak: Speak) -> None:
    code, printed, _ = speak(
        "keys", "create", "--tenant", "acme", "--scopes", "jobs:read", "jobs:write",
        "--pixels", "100", "--input-prefix", "s3://films/",
    )  # fmt: skip
    assert code == 0
    key = json.loads(printed)
    _, listed, _ = speak("keys", "list")
    assert key["id"] in listed
    assert key["secret"] not in listed
    assert speak("keys", "revoke", key["id"])[0] == 0
    assert "revoked" in speak("keys", "list", "--tenant", "acme")[1]
    code, _, complaint = speak("keys", "create", "--tenant", "no such/name")
    assert code == 1
    assert complaint.startswith("error: 'no such/name' is no name of a tenant")


def test_settings_that_cannot_be_used_are_named(
    speak: Speak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHVSR_PORT", "many")
    code, _, complaint = speak()
    assert code == 1
    assert complaint.startswith("error: FLASHVSR_PORT cannot be used")


def test_it_serves_and_stops_when_asked(
    environment: Mapping[str, str], server: subprocess.Popen[bytes], speak: Speak
) -> None:
    key = json.loads(speak("keys", "create", "--tenant", "acme")[1])
    url = f"http://127.0.0.1:{environment['FLASHVSR_PORT']}"
    with httpx2.Client(
        base_url=url, headers={"Authorization": f"Bearer {key['secret']}"}, timeout=PATIENCE_S
    ) as http:
        upload = http.post("/v1/uploads", json={"filename": "a", "size_bytes": 3}).json()
        assert upload["request"]["url"].startswith(f"{url}/objects/"), "led to the bound port"
        request = upload["request"]
        assert http.put(request["url"], content=b"abc").status_code == 200
        assert http.post(upload["links"]["complete"]).status_code == 200
        job = http.post("/v1/jobs", json={"upload_id": upload["id"]}).json()
        with http.stream("GET", job["links"]["events"]) as events:
            lines = events.iter_lines()
            next(lines)
            server.send_signal(signal.SIGTERM)
            started = time.monotonic()
            list(lines)
            assert server.wait(PATIENCE_S) == -signal.SIGTERM or server.returncode == 0
            assert time.monotonic() - started < 15, "an open stream holds nothing up"


def test_the_first_key_is_made_once_and_not_by_itself(embedded: World) -> None:
    with embedded.database.reading() as rows:
        assert rows.api_keys.list("*") == [], "starting makes none"
    first = create_first_key(embedded.database)
    assert first is not None
    http = embedded.client({"Authorization": f"Bearer {first.secret}"})
    assert http.get("/v1/keys").status_code == 200
    assert create_first_key(embedded.database) is None
