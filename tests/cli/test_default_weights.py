"""Which weights the commands take: those that are named, else downloaded ones, else nano."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flashvsr_core.weights.random import write_random_weights
from tests import clips
from tests.cli.command import flashvsr
from tests.cli.test_service import service
from tests.evaluation.conftest import CARS
from tests.media.looks import rgb_frames

NOTE = "Using the small model 'nano', which comes with this project; for the authors' quality:"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of downloaded weights; there are none yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FLASHVSR_WEIGHTS", raising=False)
    return tmp_path / "home" / "flashvsr" / "weights"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(noise).resize((32, 32)).save(path)
    return path


def enlarged(picture: Path, *arguments: str | Path) -> tuple[bytes, str]:
    """Return the pixels of a larger picture and what was said about it."""
    output = picture.with_name("large.png")
    done = flashvsr("upscale", picture, output, "--overwrite", *arguments)
    with Image.open(output) as image:
        return image.tobytes(), done.stderr


def test_downloaded_weights_come_first_and_the_newest_of_them(home: Path, picture: Path) -> None:
    nano, said = enlarged(picture)
    assert said.splitlines() == [f"{NOTE} flashvsr weights download"]
    assert enlarged(picture, "--weights", "nano") == (nano, "")
    write_random_weights(home / "v1", "tiny-test", version="v1")
    older, said = enlarged(picture)
    assert (older, said) == enlarged(picture, "--weights", home / "v1")
    write_random_weights(home / "v1.1", "tiny-test", version="v1.1", seed=1)
    newer, said = enlarged(picture)
    assert (newer, said) == enlarged(picture, "--weights", home / "v1.1")
    assert said == ""
    assert len({nano, older, newer}) == 3
    assert enlarged(picture, "--weights", "nano") == (nano, "")


def test_a_folder_of_ones_own_with_that_name_is_written_as_a_path(
    random_weights: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    nano, _ = enlarged(picture, "--weights", "nano")
    (picture.parent / "nano").symlink_to(random_weights)
    assert enlarged(picture, "--weights", "nano")[0] == nano
    assert enlarged(picture, "--weights", "./nano") == enlarged(
        picture, "--weights", random_weights
    )


def test_a_folder_of_videos_says_once_what_is_used(home: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.mp4"):
        clips.plain(tmp_path / "films" / name, "32x24", frames=2)
    done = flashvsr("upscale", tmp_path / "films", tmp_path / "large")
    assert "2 done" in done.stdout
    assert done.stderr.count(NOTE) == 1


@pytest.mark.parametrize("arguments", [(), ("--weights", "nano")])
def test_evaluate(home: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "cars.mp4").symlink_to(CARS)
    done = flashvsr(
        "evaluate", "--data", tmp_path / "clips", "--frames", "2", "--metrics", "psnr", "--json",
        *arguments,
    )  # fmt: skip
    assert list(json.loads(done.stdout)["means"]) == ["bicubic", "lanczos", "nano"]
    assert (NOTE in done.stderr) == (not arguments)


@pytest.mark.parametrize("weights", [None, pytest.param("nano", marks=pytest.mark.heavy)])
def test_the_service_enlarges_as_the_command_does(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str | None
) -> None:
    if weights:
        # What is named on the command line wins over the variable.
        monkeypatch.setenv("FLASHVSR_WEIGHTS", str(tmp_path / "nowhere"))
    film = clips.plain(tmp_path / "film.mp4", "32x24", frames=3)
    with service(tmp_path / "data", weights) as running:
        running.flashvsr("submit", film, "--output", tmp_path / "service.mp4")
    flashvsr("upscale", film, tmp_path / "command.mp4", "--weights", "nano")
    ours, theirs = (rgb_frames(tmp_path / f"{name}.mp4") for name in ("command", "service"))
    assert np.array_equal(ours, theirs)


def test_doctor_and_verify_know_it(home: Path) -> None:
    findings = {f["what"]: f for f in json.loads(flashvsr("doctor", "--json").stdout)}
    assert findings["model 'nano'"]["is_good"]
    assert Path(findings["model 'nano'"]["remark"]).is_dir()
    assert not findings["released weights"]["is_good"]
    report = json.loads(flashvsr("weights", "verify", "nano", "--json").stdout)
    assert all(piece["is_good"] for piece in report["pieces"])
    assert report["version"] == "v1.1"
