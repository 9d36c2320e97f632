"""Stages 1 and 2: flow matching with full attention, then with streaming attention."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from training.batch import Batch
from training.config import StageConfig
from training.diffusion import Denoiser, match_flow
from training.forward.attention import StreamingPattern, plan_streaming
from training.latent_space import LatentSpace
from training.networks import (
    DIT,
    LQ_PROJECTION,
    build_dit,
    build_lq_projection,
    draw_prompt,
    find_model,
    load_piece,
)
from training.stages.stage import LAG, Player, Terms, grid_of


def pattern_of(config: StageConfig, batch: Batch) -> StreamingPattern:
    """Return the streaming attention of one batch; its density changes from step to step."""
    attention = config.attention
    return plan_streaming(
        grid_of(batch),
        topk_ratio=attention.topk_ratios[batch.step % len(attention.topk_ratios)],
        local_range=attention.local_range,
        kept_rows=int(attention.kv_ratio),
        device=batch.high.device,
    )


def trained_denoiser(
    config: StageConfig, runs: Path, stage: str | None, device: torch.device
) -> Denoiser:
    """Return a denoiser with the weights of a stage, or with new ones if it is None."""
    model = find_model(config.model)
    dit, projection = build_dit(model), build_lq_projection(model)
    if stage is not None:
        load_piece(dit, runs, stage, DIT)
        load_piece(projection, runs, stage, LQ_PROJECTION)
    prompt = draw_prompt(model).to(device)
    return Denoiser(
        dit.to(device), projection.to(device), prompt, recompute=config.attention.recompute
    )


class _FlowMatching(nn.Module):
    def __init__(
        self, config: StageConfig, space: LatentSpace, denoiser: Denoiser, *, streams: bool
    ) -> None:
        super().__init__()
        self.dit, self.projection = denoiser.dit, denoiser.projection
        self._config, self._space, self._denoiser = config, space, denoiser
        self._streams = streams

    def forward(self, batch: Batch, _handed: Mapping[str, Tensor]) -> Terms:
        clean = self._space.encode(batch.high[:, :, :-LAG])
        pattern = pattern_of(self._config, batch) if self._streams else None
        loss = match_flow(self._denoiser, batch, clean, self._config.diffusion.shift, pattern)
        return Terms(loss, {"loss": loss.detach()})


class _FlowMatchingStage:
    def __init__(
        self,
        config: StageConfig,
        runs: Path,
        device: torch.device,
        *,
        before: str | None,
        streams: bool,
    ) -> None:
        self._denoiser = trained_denoiser(config, runs, before, device)
        space = LatentSpace(runs, find_model(config.model), device)
        self._objective = _FlowMatching(config, space, self._denoiser, streams=streams)
        self._lr = config.optimizer.lr

    @property
    def pieces(self) -> Mapping[str, nn.Module]:
        """Transformer and projection."""
        return {DIT: self._denoiser.dit, LQ_PROJECTION: self._denoiser.projection}

    @property
    def players(self) -> tuple[Player, ...]:
        """The denoiser."""
        groups = ((self._denoiser.dit, self._lr), (self._denoiser.projection, self._lr))
        return (Player("denoiser", self._objective, groups),)


class FullAttentionStage(_FlowMatchingStage):
    """Stage 1: every token sees every other one; its result is the teacher of stage 3."""

    def __init__(self, config: StageConfig, runs: Path, device: torch.device) -> None:
        """Begin with new weights."""
        super().__init__(config, runs, device, before=None, streams=False)


class StreamingStage(_FlowMatchingStage):
    """Stage 2: causal, block-sparse attention as in a stream."""

    def __init__(self, config: StageConfig, runs: Path, device: torch.device) -> None:
        """Begin with the weights of stage 1."""
        super().__init__(config, runs, device, before="full_attention", streams=True)
