import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import FLASHVSR, flashvsr, one_sentence
from tests.conftest import DATA


def test_probe_tells_what_a_file_is() -> None:
    facts = json.loads(flashvsr("probe", DATA / "cars.mp4", "--json").stdout)
    assert (facts["width_px"], facts["height_px"], facts["frame_count"]) == (192, 108, 36)
    assert facts["codec"] == "h264"
    assert [stream["codec"] for stream in facts["audio"]] == ["aac"]
    assert "192" in flashvsr("probe", DATA / "cars.mp4").stdout


def test_probe_refuses_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("no film")
    one_sentence(flashvsr("probe", tmp_path / "x.mp4", code=3).stderr)


def test_doctor_knows_this_machine() -> None:
    findings = {f["what"]: f for f in json.loads(flashvsr("doctor", "--json").stdout)}
    assert findings["encoder libx264"]["is_good"]
    assert findings["attention reference"]["is_good"]
    assert findings["torch"]["is_good"]


def test_doctor_fails_where_something_needed_is_missing(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = flashvsr("doctor", code=6, environment=environment)
    assert "BAD  ffprobe" in done.stdout


def test_weights_random_verify_record_and_convert(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    flashvsr("weights", "random", folder, "--config", "tiny-test", "--version", "v1.1")
    report = json.loads(flashvsr("weights", "verify", folder, "--json").stdout)
    assert report["version"] == "v1.1"
    assert all(piece["is_good"] for piece in report["pieces"])
    flashvsr("weights", "convert", folder, tmp_path / "bf16", "--dtype", "bf16")
    assert "ok   dit" in flashvsr("weights", "verify", tmp_path / "bf16").stdout
    (folder / "lq_projection.safetensors").write_bytes(b"nothing")
    assert "BAD  lq_projection" in flashvsr("weights", "verify", folder, code=5).stdout
    done = flashvsr("weights", "record", tmp_path / "nowhere", "--version", "v1", code=5)
    one_sentence(done.stderr)


@pytest.mark.parametrize("command", ["upscale", "probe", "doctor", "weights"])
def test_help_needs_no_torch(command: str) -> None:
    """Help must be instant: torch takes seconds to import."""
    code = "import sys, cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([FLASHVSR.parent / "python", "-c", code], check=False).returncode == 0
    assert "Usage" in flashvsr(command, "--help").stdout
