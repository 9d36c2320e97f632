"""The whole evaluation through the command, with a small random model."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.errors import BAD_INPUT, UsageError, exit_code_of
from cli.evaluate import evaluate as command
from evaluation.clips import Clip, Frames, read_frames
from evaluation.errors import EvaluationDataError
from evaluation.evaluate import evaluate
from evaluation.methods import BASELINES
from evaluation.metrics import METRICS
from evaluation.presets import PRESETS
from evaluation.report import ClipReport, Report
from tests.cli.command import flashvsr


@pytest.fixture
def data(cars: Frames, tmp_path: Path) -> Path:
    folder = tmp_path / "clips" / "cars"
    folder.mkdir(parents=True)
    for index, frame in enumerate(cars[:3, :96, :96]):
        Image.fromarray(frame).save(folder / f"{index:03d}.png")
    return folder.parent


def test_the_command_measures_a_model_beside_the_baselines(
    data: Path, random_weights: Path, tmp_path: Path
) -> None:
    done = flashvsr(
        "evaluate", "--data", data, "--weights", random_weights, "--scale", "2",
        "--metrics", "psnr,ssim,lpips,dover", "--save", tmp_path / "out", "--json",
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert list(report["means"]) == ["bicubic", "lanczos", "tiny-test"]
    assert report["means"]["lanczos"]["psnr"] > report["means"]["bicubic"]["psnr"]
    assert report["means"]["tiny-test"]["psnr"] < report["means"]["bicubic"]["psnr"]
    # What needs a package or weights that are not here is named, not dropped in silence.
    assert set(report["skipped"]) == {"lpips", "dover"}
    saved = sorted((tmp_path / "out" / "bicubic" / "cars").iterdir())
    assert len(saved) == 3
    # What was saved is what was measured.
    ours = read_frames(tmp_path / "out" / "bicubic" / "cars", None)
    truth = read_frames(data / "cars", None)
    assert METRICS["psnr"].measure(ours, truth) == report["means"]["bicubic"]["psnr"]


def test_a_table_is_printed_and_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.json"
    command(data, baselines=True, degradation="training", metrics="psnr", output=target)
    written = json.loads(target.read_text())
    assert (written["scale"], written["degradation"]) == (4, "training")
    assert f"{written['means']['bicubic']['psnr']:.2f}" in capsys.readouterr().out


def test_mistakes_are_errors_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no metric beauty; choose from psnr,"):
        command(tmp_path, metrics="psnr,beauty")
    with pytest.raises(UsageError, match="Scale 5 is not supported"):
        command(tmp_path, scale=5)
    with pytest.raises(EvaluationDataError, match="is no folder") as caught:
        command(tmp_path / "nowhere", baselines=True)
    assert exit_code_of(caught.value) == BAD_INPUT


def test_without_truth_only_what_needs_none_is_measured(cars: Frames, tmp_path: Path) -> None:
    metrics = [METRICS[name] for name in ("psnr", "warping_error")]
    report = evaluate([Clip("x", cars[:2, :48, :48], None)], BASELINES, metrics, 2)
    assert list(report.means()["bicubic"]) == ["warping_error"]
    assert report.skipped == {"psnr": "there is no ground truth"}


def test_means_are_over_clips_and_the_best_is_bold() -> None:
    from rich.console import Console

    clips = [
        ClipReport(name, 1, 8, 8, {"a": {"psnr": low}, "b": {"psnr": high}})
        for name, low, high in (("one", 20.0, 25.0), ("two", 30.0, 31.0))
    ]
    report = Report(clips, ["a", "b"], {"psnr": True}, {})
    assert report.means() == {"a": {"psnr": 25.0}, "b": {"psnr": 28.0}}
    console = Console(force_terminal=True, width=80, record=True)
    with console.capture() as captured:
        console.print(report.table("t"))
    assert "\x1b[1m28.00" in captured.get()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_metrics_that_exist_and_fit(name: str) -> None:
    preset = PRESETS[name]
    assert set(preset.metrics) <= set(METRICS)
    has_truth = "gt" in preset.layout
    assert has_truth or not any(METRICS[metric].needs_truth for metric in preset.metrics)


def test_baselines_are_pillows(cars: Frames) -> None:
    (bicubic, lanczos) = BASELINES
    expected = Image.fromarray(cars[0]).resize((384, 216), Image.Resampling.LANCZOS)
    assert np.array_equal(lanczos.enlarge(cars[:1], 2)[0], np.asarray(expected))
    assert not np.array_equal(bicubic.enlarge(cars[:1], 2), lanczos.enlarge(cars[:1], 2))
