"""The tiny decoder: from true latents and the low-quality frames to ground truth."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from flashvsr_core.tiny_decoder import TinyDecoder
from training.batch import Batch, without_its_noise
from training.config import StageConfig
from training.forward.tiny_decoder import decode_clips
from training.graphed import Graphed
from training.held import Copy
from training.latent_space import LatentSpace
from training.losses import (
    charbonnier,
    compare_changes,
    compare_rhythm,
    edge_weights,
    inside,
    log_error,
    psnr_db,
)
from training.matching import match_clean
from training.networks import TINY_DECODER, build_tiny_decoder, find_model, hold_copy
from training.perceptual import load_perceptual
from training.position_code import write_code
from training.precision import carrying_frames
from training.rates import rates_by_inputs
from training.silence import Drawing
from training.stages.stage import Player, Terms, Whitened, weigh
from training.whitening import Whitening

_TEACH_EVERY = 4
"""Every so many steps there are true latents, and the large decoder draws; the encoder and it take
longer than all else in a step."""


class _Decoding(nn.Module):
    def __init__(
        self,
        config: StageConfig,
        space: LatentSpace,
        decoder: TinyDecoder,
        copy: Copy,
        latent_channels: int,
    ) -> None:
        super().__init__()
        self.decoder = decoder
        # Two, because each is recorded in its own precision.
        self._coarse, self._exact = (Graphed(Drawing(decoder, copy)) for _ in range(2))
        self._config, self._space = config, space
        self._channels = latent_channels
        self._perceptual = load_perceptual(config.perceptual)

    def record(self, batch: Batch) -> None:
        """Have the drawing recorded, on a batch that is not learned from."""
        latents = without_its_noise(batch).noise_for_latents(self._channels)
        for exact in {False, True} if self._config.tf32_steps else {True}:
            with carrying_frames(latents.device, exact=exact):
                self._drawing(exact).record(write_code(latents), batch.low)

    def _drawing(self, exact: bool) -> Graphed:
        return self._exact if exact else self._coarse

    def _draw_frames(self, batch: Batch, latents: Tensor) -> tuple[Tensor, Tensor]:
        exact = batch.step >= self._config.tf32_steps
        with carrying_frames(latents.device, exact=exact):
            frames, silence = self._drawing(exact)(write_code(latents), batch.low)
        return frames, silence

    def forward(self, batch: Batch, _handed: Mapping[str, Tensor]) -> Terms:
        is_taught = (batch.step + 1) % _TEACH_EVERY == 0
        # What the one-step model will give is not exact: noise of a random size, clip by clip, and
        # often nothing else, teaches the decoder to weigh the latents against the low quality.
        latents = batch.noise_for_latents(self._channels)
        if is_taught:
            clean = self._space.encode(batch.high)
            amount = batch.uniform().sqrt().view(-1, 1, 1, 1, 1)
            latents = (1 - amount) * clean + amount * latents
        drawn, silence = self._draw_frames(batch, latents)
        frames, missing = match_clean(drawn, batch.sources)
        named = {
            "pixel": charbonnier(frames, batch.high, edge_weights(frames)),
            "log_error": log_error(frames, batch.high, edge_weights(frames)),
            "perceptual": self._perceptual(inside(frames), inside(batch.high)),
            "change": compare_changes(inside(frames), inside(batch.high)),
            "rhythm": compare_rhythm(inside(frames), inside(batch.high)),
            "missing": missing,
            "silence": silence,
        }
        if is_taught and self._config.losses.get("large_decoder"):
            # Of true latents: noise would make the large decoder draw what nobody wants.
            named["large_decoder"] = charbonnier(drawn, self._space.decode(clean))
        terms = weigh(self._config, named)
        return Terms(
            terms.loss,
            {
                **terms.logged,
                "psnr_db": psnr_db(inside(frames), inside(batch.high)),
                "psnr_db_bicubic": psnr_db(inside(batch.low), inside(batch.high)),
            },
        )


class DecoderStage:
    """Trains the conditional tiny decoder against ground truth and the large decoder."""

    def __init__(self, config: StageConfig, runs: Path, device: torch.device) -> None:
        """Begin with new weights in the latent space of the run folder."""
        model = find_model(config.model)
        self._decoder = build_tiny_decoder(model).to(device)
        copy = hold_copy(self._decoder, config)
        space = LatentSpace(runs, model, device)
        channels = model.dit.latent_channels
        self._objective = _Decoding(config, space, self._decoder, copy, channels)
        self._lr, self._channels = config.optimizer.lr, channels
        # No image is as long as a clip, and graphs are of one shape.
        self._record = None if config.data.image_every else self._objective.record
        self._whitened: Whitened | None = None
        if config.optimizer.whitened:
            self._whitened = Whitened(Whitening(self._decoder, copy), self._look)

    @property
    def pieces(self) -> Mapping[str, nn.Module]:
        """The tiny decoder."""
        return {TINY_DECODER: self._decoder}

    @property
    def players(self) -> tuple[Player, ...]:
        """The decoder."""
        groups = rates_by_inputs(self._decoder, self._lr)
        return (Player("decoder", self._objective, groups, self._whitened, self._record),)

    @torch.no_grad()
    def _look(self, batch: Batch) -> None:
        assert self._whitened
        latents = without_its_noise(batch).noise_for_latents(self._channels)
        watched = self._whitened.whitening.watched
        with carrying_frames(latents.device):
            decode_clips(self._decoder, write_code(latents), batch.low, watched)
