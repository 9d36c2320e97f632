"""The model that comes with the package: its name, its folder, and that it travels with a wheel."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flashvsr_core import FlashVSR, Size, plan_geometry
from flashvsr_core.pipeline import Pipeline
from flashvsr_core.weights import WeightsFolder
from flashvsr_core.weights.manifest import MANIFEST_FILE
from flashvsr_core.weights.names import bundled_models, find_weights
from flashvsr_core.weights.pieces import PIECES
from flashvsr_core.weights.verify import verify_weights

ROOT = Path(__file__).parents[2]
NANO = ROOT / "flashvsr_core" / "weights" / "nano"


def test_the_bare_name_is_the_model_and_everything_else_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nano").mkdir()
    assert find_weights("nano") == NANO
    assert find_weights("./nano").resolve() == tmp_path / "nano"
    assert find_weights(str(tmp_path / "nano")) == tmp_path / "nano"
    assert find_weights("weights/nano") == Path("weights/nano")
    assert find_weights("nanometre") == Path("nanometre")


def test_it_is_whole_and_small() -> None:
    assert bundled_models() == ["nano"]
    folder = WeightsFolder(NANO)
    findings = list(verify_weights(folder))
    assert [finding.piece for finding in findings if not finding.is_good] == []
    files = {path.name: path for path in NANO.iterdir()}
    # All pieces, for both pipelines and its own latent space; nothing without a record.
    assert set(files) == {piece.converted_file for piece in PIECES} | {MANIFEST_FILE, "README.md"}
    assert set(folder.manifest.files) == {piece.converted_file for piece in PIECES}
    assert sum(path.stat().st_size for path in files.values()) <= 16 * 2**20


@pytest.mark.parametrize("pipeline", ["tiny", "full"])
def test_it_loads_like_any_other(pipeline: Pipeline) -> None:
    model = FlashVSR.load(NANO, pipeline=pipeline, device="cpu")
    geometry = plan_geometry(Size(16, 16), scale=4)
    assert model.stream(geometry) is not None


def test_a_wheel_carries_it(tmp_path: Path) -> None:
    """Built from a copy, because building leaves folders beside the sources."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for package in ROOT.glob("*/__init__.py"):
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package.parent, copy / package.parent.name, ignore=without)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--wheel-dir", tmp_path, copy],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    found = {path.name for path in (tmp_path / "installed/flashvsr_core/weights/nano").iterdir()}
    assert found == {path.name for path in NANO.iterdir()}
    # Found from another folder, without this repository on the path.
    code = "from flashvsr_core.weights.names import find_weights; print(find_weights('nano'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True,
        env={"PYTHONPATH": str(tmp_path / "installed")},
    )  # fmt: skip
    assert Path(done.stdout.strip()) == tmp_path / "installed/flashvsr_core/weights/nano"
