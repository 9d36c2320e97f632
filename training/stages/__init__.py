"""The stages of the recipe, by name; each says what it trains and what its loss is."""

from collections.abc import Callable
from pathlib import Path

import torch

from training.config import StageConfig
from training.stages.decoder import DecoderStage
from training.stages.distillation import DistillationStage
from training.stages.flow_matching import FullAttentionStage, StreamingStage
from training.stages.latent import LatentStage
from training.stages.stage import Player, Stage, Terms

STAGES: dict[str, Callable[[StageConfig, Path, torch.device], Stage]] = {
    "latent": LatentStage,
    "decoder": DecoderStage,
    "full_attention": FullAttentionStage,
    "streaming": StreamingStage,
    "distillation": DistillationStage,
}

__all__ = ["STAGES", "Player", "Stage", "Terms"]
