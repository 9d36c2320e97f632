"""Configuration files are read strictly, and those of the small model fit one another."""

from pathlib import Path

import pytest

from flashvsr_core.weights.random import CONFIGS
from training.config import OptimizerConfig, read_config
from training.errors import TrainingError
from training.schedule import RateSchedule
from training.stages import STAGES

NANO = Path(__file__).parents[2] / "training" / "configs" / "nano"

WHOLE = """
stage = "latent"
model = "nano"
steps = 10
[data]
packed = "x.tar"
frames = 9
size_px = 128
batch = 4
[optimizer]
lr = 1e-3
[losses]
pixel = 1
"""


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_file_for_the_small_model(stage: str) -> None:
    config = read_config(NANO / f"{stage}.toml")
    assert (config.stage, config.model) == (stage, "nano")
    assert config.data.size_px % 128 == 0
    assert config.data.batch % config.data.group == 0
    # Latent frames come in pairs where the transformer runs.
    uses_transformer = stage not in ("latent", "decoder")
    assert config.data.frames % (8 if uses_transformer else 4) == 1


def test_the_small_model_has_four_to_eight_million_weights() -> None:
    import torch
    from torch import nn

    from flashvsr_core.tiny_decoder import TinyDecoder
    from training.latent_space import build_wan_vae
    from training.networks import build_dit, build_lq_projection

    model = CONFIGS["nano"]
    with torch.device("meta"):
        modules: list[nn.Module] = [TinyDecoder(model.tiny_decoder)]
        modules += [build(model) for build in (build_dit, build_lq_projection, build_wan_vae)]
    weights = sum(p.numel() for module in modules for p in module.parameters())
    assert 4e6 < weights < 8e6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("batch = 4", "bach = 4"), "has the field 'bach'"),
        (("batch = 4", 'batch = "4"'), "data: batch cannot be '4'"),
        (("batch = 4", ""), "lacks the field 'batch'"),
        (("steps = 10", "steps = "), "cannot be read"),
        (("steps = 10", "steps = true"), "steps cannot be True"),
    ],
)
def test_a_wrong_file_is_refused_by_name(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    path = tmp_path / "stage.toml"
    path.write_text(WHOLE.replace(*change))
    with pytest.raises(TrainingError, match=said):
        read_config(path)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "stage.toml"
    path.write_text(WHOLE)
    config = read_config(path)
    assert config.losses == {"pixel": 1.0}
    assert config.data.scales == (4,)


def test_the_rate_warms_up_stays_and_falls() -> None:
    schedule = RateSchedule(OptimizerConfig(lr=1.0, warmup_steps=10, decay_share=0.5), 100, 20)
    assert schedule.factor(20) == pytest.approx(0.1)
    assert schedule.factor(40) == 1.0
    assert schedule.factor(75) == pytest.approx(0.5)
    assert schedule.factor(40, time_share=1.0) == 0.0
