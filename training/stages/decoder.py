"""The tiny decoder: from true latents and the low-quality frames to ground truth."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from flashvsr_core.tiny_decoder import TinyDecoder
from training.batch import Batch
from training.config import StageConfig
from training.forward import tiny_decoder
from training.latent_space import LatentSpace
from training.losses import charbonnier, edge_weights, inside, psnr_db
from training.networks import TINY_DECODER, build_tiny_decoder, find_model, hold_copy
from training.perceptual import load_perceptual
from training.rates import rates_by_inputs
from training.stages.stage import Player, Terms, weigh

_TEACH_EVERY = 4
"""Every so many steps the large decoder draws, which takes longer than all else in a step."""


class _Decoding(nn.Module):
    def __init__(self, config: StageConfig, space: LatentSpace, decoder: TinyDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        self._config, self._space = config, space
        self._perceptual = load_perceptual(config.perceptual)

    def forward(self, batch: Batch, _handed: Mapping[str, Tensor]) -> Terms:
        clean = self._space.encode(batch.high)
        # What the one-step model will give is not exact: noise of a random size, clip by clip,
        # teaches the decoder to weigh the latents against the low-quality frames.
        amount = batch.uniform().sqrt().view(-1, 1, 1, 1, 1)
        latents = (1 - amount) * clean + amount * batch.noise_like(clean)
        frames = tiny_decoder.decode_clips(self.decoder, latents, batch.low)
        named = {
            "pixel": charbonnier(frames, batch.high, edge_weights(frames)),
            "perceptual": self._perceptual(inside(frames), inside(batch.high)),
        }
        if self._config.losses.get("large_decoder") and (batch.step + 1) % _TEACH_EVERY == 0:
            # Of true latents: noise would make the large decoder draw what nobody wants.
            named["large_decoder"] = charbonnier(frames, self._space.decode(clean))
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
        hold_copy(self._decoder, config)
        self._objective = _Decoding(config, LatentSpace(runs, model, device), self._decoder)
        self._lr = config.optimizer.lr

    @property
    def pieces(self) -> Mapping[str, nn.Module]:
        """The tiny decoder."""
        return {TINY_DECODER: self._decoder}

    @property
    def players(self) -> tuple[Player, ...]:
        """The decoder."""
        return (Player("decoder", self._objective, rates_by_inputs(self._decoder, self._lr)),)
