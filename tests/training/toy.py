"""Small configurations and a source of moving patterns, for quick tests of the recipe."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.config import (
    AttentionConfig,
    DataConfig,
    DiffusionConfig,
    OptimizerConfig,
    StageConfig,
)
from training.levels import to_levels

SIZE_PX = 128
LOSSES = {
    "latent": {"pixel": 1.0, "perceptual": 0.5, "divergence": 1e-4},
    "decoder": {"pixel": 1.0, "perceptual": 0.2, "large_decoder": 0.1},
    "full_attention": {},
    "streaming": {},
    "distillation": {"pixel": 1.0, "perceptual": 0.2, "flow": 0.1, "distribution": 0.01},
}
FRAMES = {"latent": 5, "decoder": 5, "full_attention": 9, "streaming": 9, "distillation": 9}
STEPS = {"latent": 6, "decoder": 6, "full_attention": 8, "streaming": 3, "distillation": 5}


class ToySource:
    """Coloured stripes that move, and their box average."""

    parallel = 1

    def __init__(self, frames: int, batch: int) -> None:
        self._frames, self._batch = frames, batch

    def pairs(self, number: int, slot: int, *, scale: int, is_image: bool) -> tuple[Tensor, Tensor]:
        frames = 1 if is_image else self._frames
        random = np.random.default_rng([number, slot, scale])
        clips = []
        for _ in range(self._batch):
            speed, phase = random.choice([-2.0, 2.0]), random.uniform(0, 6.28)
            across = torch.arange(SIZE_PX)[None, :, None] + torch.arange(SIZE_PX)[None, None, :] / 2
            time = torch.arange(frames)[:, None, None]
            wave = torch.sin((across + speed * time) / 6 + phase) * 0.6
            clips.append(torch.stack([wave, wave * 0.5, -wave]))
        high = torch.stack(clips).float()
        low = F.avg_pool3d(high, (1, scale, scale))
        return to_levels(high), to_levels(low)


def toy_config(stage: str, *, slots: int = 1, batch: int = 1, seed: int = 0) -> StageConfig:
    """Return a configuration of the smallest model for `ToySource`."""
    return StageConfig(
        stage=stage,
        model="tiny-test",
        data=DataConfig(
            packed="none",
            frames=FRAMES[stage],
            size_px=SIZE_PX,
            batch=batch,
            slots=slots,
            scales=(4, 2),
        ),
        optimizer=OptimizerConfig(lr=3e-3, warmup_steps=2, decay_share=0.1, average_decay=0.8),
        steps=STEPS[stage],
        losses=LOSSES[stage],
        attention=AttentionConfig(topk_ratios=(0.9,)),
        diffusion=DiffusionConfig(critic_lr=1e-3),
        seed=seed,
        decoder_lr=5e-4,
        log_steps=1,
        precision="fp32",
    )


def toy_source(config: StageConfig) -> ToySource:
    """Return the source that fits a configuration."""
    return ToySource(config.data.frames, config.data.batch)
