"""Tables of the documentation: every number comes from a report."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.evaluate import evaluate
from evaluation.__main__ import app
from evaluation.clips import Frames
from evaluation.errors import EvaluationDataError
from evaluation.tables import tables, write_between


def report(path: Path, means: dict[str, dict[str, float]], degradation: str = "bicubic") -> Path:
    clip = {"name": "cars", "frames": 9, "width_px": 64, "height_px": 48}
    found: dict[str, Any] = {
        "scale": 4, "degradation": degradation, "clips": [clip], "means": means,
        "higher_is_better": {"psnr": True, "seam_ratio": False},
    }  # fmt: skip
    path.write_text(json.dumps(found))
    return path


def test_what_evaluate_wrote_is_read(cars: Frames, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "clips" / "cars").mkdir(parents=True)
    Image.fromarray(cars[0]).save(tmp_path / "clips" / "cars" / "0.png")
    evaluate(tmp_path / "clips", baselines=True, metrics="psnr,ssim", output=tmp_path / "r.json")
    means = json.loads((tmp_path / "r.json").read_text())["means"]["bicubic"]
    lines = tables([tmp_path / "r.json"]).splitlines()
    assert lines[0] == "Mean over 1 clips of 1 frames, scale 4, `bicubic` low quality:"
    assert lines[2] == "| method | psnr ↑ | ssim ↑ |"
    assert lines[4] == f"| bicubic | {means['psnr']:.2f} | {means['ssim']:.4f} |"


def test_models_of_several_reports_stand_in_one_table(tmp_path: Path) -> None:
    base = {"bicubic": {"psnr": 30.0}}
    one = report(tmp_path / "1", base | {"stage-1": {"psnr": 31.004, "seam_ratio": 1.25}})
    two = report(tmp_path / "2", base | {"stage-2": {"psnr": 32.0}})
    other = report(tmp_path / "3", {"bicubic": {"psnr": 25.0}}, "training")
    first, second = tables([one, two, other]).split("\n\nMean")[0], tables([one, two, other])
    assert first.count("| bicubic |") == 1
    assert "| stage-1 | 31.00 | 1.250 |" in first
    assert "| stage-2 | 32.00 | - |" in first
    assert second.count("Mean over") == 2
    assert "| bicubic | 25.00 |" in second


def test_contradictions_and_other_files_are_refused(tmp_path: Path) -> None:
    one = report(tmp_path / "1", {"nano": {"psnr": 30.0}})
    two = report(tmp_path / "2", {"nano": {"psnr": 31.0}})
    with pytest.raises(EvaluationDataError, match="other numbers for nano"):
        tables([one, two])
    (tmp_path / "3").write_text("{}")
    with pytest.raises(EvaluationDataError, match="3 is no report"):
        tables([tmp_path / "3"])


def test_a_page_gets_its_table_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n<!-- table: evaluation -->\nold\n<!-- end -->\nB\n"
        "<!-- table: ablation -->\nolder\n<!-- end -->\n"
    )
    one = report(tmp_path / "1", {"nano": {"psnr": 30.0}})
    app(["tables", str(one), "--into", str(page), "--name", "ablation"], standalone_mode=False)
    text = page.read_text()
    assert text.startswith("# A\n<!-- table: evaluation -->\nold\n<!-- end -->\nB\n")
    assert "older" not in text
    assert "| nano | 30.00 |\n<!-- end -->\n" in text
    app(["tables", str(one), "--into", str(page), "--name", "ablation"], standalone_mode=False)
    assert page.read_text() == text, "again the same"
    with pytest.raises(EvaluationDataError, match="table: speed"):
        write_between(page, "speed", "x")
