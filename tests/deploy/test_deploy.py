"""The container files, held by the real tools; images are not built here."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import compose
import pytest

ROOT = Path(__file__).parents[2]
# The package's console script always exits with 0, so the binary itself is called.
COMPOSE = Path(next(iter(compose.__path__))) / "docker-compose"
HADOLINT = Path(sys.executable).parent / "hadolint"
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))


@pytest.fixture(scope="module")
def project() -> Any:
    done = subprocess.run(
        [COMPOSE, "-f", ROOT / "docker-compose.yml", "config", "--format", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_compose_starts_things_in_the_order_in_which_they_need_one_another(project: Any) -> None:
    services = project["services"]
    assert set(services) == {
        "postgres", "redis", "s3", "bucket", "migrate", "api", "sweeper", "events", "worker",
    }  # fmt: skip
    for name in ("api", "sweeper", "events", "worker"):
        conditions = {need: how["condition"] for need, how in services[name]["depends_on"].items()}
        assert conditions["migrate"] == "service_completed_successfully"
        assert conditions["bucket"] == "service_completed_successfully"


def test_the_three_urls_reach_every_part(project: Any) -> None:
    services = project["services"]
    for name in ("api", "sweeper", "events", "worker", "migrate"):
        environment = services[name]["environment"]
        assert environment["DATABASE_URL"].startswith("postgresql+psycopg://")
        assert environment["BROKER_URL"] == "redis://redis:6379/0"
        assert environment["STORAGE_URL"].startswith("s3://flashvsr/")


def test_every_foreign_image_is_pinned(project: Any) -> None:
    images = {
        service["image"] for service in project["services"].values() if "build" not in service
    }
    assert images
    assert all(re.search(r":\d+\.\d+", image) for image in images), images
    for file in DOCKERFILES:
        for line in re.findall(r"^FROM (\S+)", file.read_text(), re.MULTILINE):
            assert re.search(r":(\d+\.\d+|\$\{CUDA\})", line), line


def test_only_loopback_is_published(project: Any) -> None:
    ports = [port for service in project["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port["host_ip"] == "127.0.0.1" for port in ports)


def test_the_worker_gets_the_gpus(project: Any) -> None:
    reserved = project["services"]["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert reserved[0]["capabilities"] == ["gpu"]


def test_the_worker_has_weights_without_a_download(project: Any) -> None:
    assert project["services"]["worker"]["environment"]["FLASHVSR_WEIGHTS"] == "nano"


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_dockerfiles_are_sound(file: Path) -> None:
    done = subprocess.run([HADOLINT, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    text = file.read_text()
    assert "\nUSER 10001\n" in text
    assert "\nHEALTHCHECK " in text
    for source in re.findall(r"^COPY (\w+) ", text, re.MULTILINE):
        assert (ROOT / source).exists(), f"{source} is copied and does not exist"
