"""The stages learn, resume exactly, and give a weights folder."""

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file

from flashvsr_core import FlashVSR, Size, plan_geometry
from flashvsr_core.pipeline import Pipeline
from tests.training.conftest import ALONE
from tests.training.toy import STEPS, toy_config, toy_source
from training.carrying import PART_BYTES, pack_runs, unpack_runs
from training.checkpoint import find_checkpoint, load_checkpoint, piece_of
from training.errors import TrainingError
from training.export import export_weights
from training.log import read_log
from training.plot import curves_of, plot_logs
from training.trainer import RunLimits, Trainer

PIPELINES: tuple[Pipeline, ...] = get_args(Pipeline)


@pytest.mark.parametrize(
    ("stage", "term"),
    [
        ("latent", "pixel"),
        ("decoder", "pixel"),
        ("full_attention", "loss"),
        ("distillation", "student_pixel"),
    ],
)
def test_the_loss_of_every_stage_goes_down(toy_runs: Path, stage: str, term: str) -> None:
    lines = read_log(toy_runs / stage / "log.jsonl")
    assert [line["step"] for line in lines] == list(range(1, STEPS[stage] + 1))
    first, last = (sum(line[term] for line in part) for part in (lines[:2], lines[-2:]))
    assert last < 0.97 * first


def test_streaming_goes_on_from_full_attention(toy_runs: Path) -> None:
    stream = read_log(toy_runs / "streaming" / "log.jsonl")
    full = read_log(toy_runs / "full_attention" / "log.jsonl")
    assert stream[0]["loss"] < full[0]["loss"]


def test_a_stage_that_was_stopped_goes_on_as_if_it_was_not(toy_runs: Path, tmp_path: Path) -> None:
    # The distillation has two optimizers and three networks that learn.
    stage = "distillation"
    runs = tmp_path / "runs"
    shutil.copytree(toy_runs, runs, ignore=shutil.ignore_patterns(stage))
    config = toy_config(stage)
    source = toy_source(config)
    stop = STEPS[stage] // 2
    Trainer(config, runs, source, ALONE, resume=False).run(RunLimits(steps=stop))
    torch.manual_seed(99)
    Trainer(config, runs, source, ALONE, resume=True).run(RunLimits())
    for name in ("weights", "averaged"):
        stopped = getattr(load_checkpoint(runs, stage), name)
        whole = getattr(load_checkpoint(toy_runs, stage), name)
        for key, tensor in whole.items():
            torch.testing.assert_close(stopped[key], tensor, rtol=0, atol=0, msg=key)
    clock = {"minutes"}
    for one, other in zip(
        read_log(runs / stage / "log.jsonl"),
        read_log(toy_runs / stage / "log.jsonl"),
        strict=True,
    ):
        assert {k: v for k, v in one.items() if k not in clock} == {
            k: v for k, v in other.items() if k not in clock
        }


def test_a_finished_run_is_not_overwritten_by_accident(toy_runs: Path) -> None:
    config = toy_config("latent")
    with pytest.raises(TrainingError, match="add --resume"):
        Trainer(config, toy_runs, toy_source(config), ALONE, resume=False)


def test_a_stage_says_which_one_must_come_first(tmp_path: Path) -> None:
    config = toy_config("decoder")
    with pytest.raises(TrainingError, match="stage 'latent' first"):
        Trainer(config, tmp_path, toy_source(config), ALONE, resume=False)


def test_the_export_streams_in_both_pipelines(toy_runs: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("# toy\n")
    folder = tmp_path / "weights"
    manifest = export_weights(toy_runs, folder, "distillation", card)
    assert {record.version for record in manifest.files.values()} == {"v1.1"}
    assert (folder / "README.md").read_text() == "# toy\n"
    geometry = plan_geometry(Size(30, 30), scale=4)
    frames = torch.randint(0, 256, (3, 30, 30, 3), dtype=torch.uint8)
    pictures = {}
    for pipeline in PIPELINES:
        model = FlashVSR.load(folder, pipeline=pipeline, device="cpu")
        pictures[pipeline] = torch.cat(list(model.upscale([frames], geometry)))
        assert pictures[pipeline].shape == (3, 120, 120, 3)
    assert not torch.equal(pictures["tiny"], pictures["full"])
    # Before the distillation the tiny decoder is the one that was trained alone.
    export_weights(toy_runs, tmp_path / "early", "full_attention")
    early = load_file(tmp_path / "early" / "tiny_decoder.safetensors")
    alone = piece_of(load_checkpoint(toy_runs, "decoder").averaged, "tiny_decoder")
    assert early.keys() == alone.keys()
    assert all(torch.equal(early[name], alone[name].half()) for name in early)


def test_carried_parts_are_small_and_give_the_runs_back(toy_runs: Path, tmp_path: Path) -> None:
    parts = pack_runs(toy_runs, tmp_path / "parts")
    assert all(part.stat().st_size < PART_BYTES + 2**20 for part in parts)
    unpack_runs(tmp_path / "parts", tmp_path / "runs")
    for stage in STEPS:
        there, here = load_checkpoint(tmp_path / "runs", stage), load_checkpoint(toy_runs, stage)
        assert there.state == here.state
        assert there.optimizers is None
        rounding = 0.0 if stage == "distillation" else 1e-3
        for key, tensor in here.averaged.items():
            torch.testing.assert_close(there.averaged[key], tensor, rtol=rounding, atol=rounding)
    # And training goes on from them.
    config = toy_config("distillation")
    trainer = Trainer(config, tmp_path / "runs", toy_source(config), ALONE, resume=True)
    assert trainer.run(RunLimits()) == STEPS["distillation"]


def test_a_killed_save_leaves_the_older_checkpoint(toy_runs: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(toy_runs / "latent", runs / "latent")
    (runs / "latent" / ".partial-step-99999999-1").mkdir()
    found = find_checkpoint(runs, "latent")
    assert found is not None
    assert json.loads((found / "state.json").read_text())["step"] == STEPS["latent"]


def test_the_plot_shows_every_stage(toy_runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot_logs(toy_runs, tmp_path / "losses.svg")
    drawn = (tmp_path / "losses.svg").read_text()
    curves = {stage: curves_of(read_log(toy_runs / stage / "log.jsonl")) for stage in STEPS}
    assert drawn.count('id="axes_') == sum(len(panels) for panels in curves.values())
    for stage, panels in curves.items():
        assert f">{stage.replace('_', ' ')}, by steps<" in drawn
        assert all(f">{name.replace('_', ' ')}<" in drawn for name in panels)


def test_curves_are_smooth_and_tell_losses_and_gains() -> None:
    lines = [
        {"step": 20 * i, "minutes": 0.1, "rate": 1.0, "x_gradient": 9.0, "pixel": float(i % 2),
         "loss": 1.0, "psnr_db": 30.0 + i, "psnr_db_bicubic": 30.0}
        for i in range(1, 1001)
    ]  # fmt: skip
    curves = curves_of([*lines, {"step": 20020, "late": 2.0}])
    assert list(curves) == ["loss", "late", "pixel", "dB above bicubic"]
    steps, values = curves["pixel"]
    assert 200 <= len(steps) <= 250
    assert (steps[-1], curves["late"]) == (20000, ([20020], [2.0]))
    assert all(abs(value - 0.5) < 0.05 for value in values[10:])
    assert curves["dB above bicubic"][1][-1] == pytest.approx(1000 - 9.5)
