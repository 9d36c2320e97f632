"""Stage 0: an encoder and a large decoder of Wan's structure, and with them a latent space."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from flashvsr_core.wan_vae import WanVAE
from training.batch import Batch
from training.config import StageConfig
from training.encoder import Encoder
from training.forward import wan_vae
from training.latent_space import RunningStatistics, build_encoder, build_wan_vae
from training.losses import charbonnier, psnr_db
from training.networks import ENCODER, LATENT_STATISTICS, WAN_VAE, find_model
from training.perceptual import load_perceptual
from training.position_code import write_code
from training.stages.stage import Player, Terms, weigh


class _Autoencoding(nn.Module):
    def __init__(
        self, config: StageConfig, encoder: Encoder, vae: WanVAE, statistics: RunningStatistics
    ) -> None:
        super().__init__()
        self.encoder, self.vae, self.statistics = encoder, vae, statistics
        self._config = config
        self._perceptual = load_perceptual(config.perceptual)

    def forward(self, batch: Batch, _handed: Mapping[str, Tensor]) -> Terms:
        mean, log_variance = self.encoder(batch.high)
        sample = mean + (0.5 * log_variance).exp() * batch.noise_like(mean)
        self.statistics.observe(
            mean.detach().mean(dim=(0, 2, 3, 4)), mean.detach().square().mean(dim=(0, 2, 3, 4))
        )
        frames = wan_vae.decode_clips(self.vae, write_code(sample, amplitude=1.0))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        terms = weigh(
            self._config,
            {
                "pixel": charbonnier(frames, batch.high),
                "perceptual": self._perceptual(frames, batch.high),
                "divergence": divergence,
            },
        )
        return Terms(terms.loss, {**terms.logged, "psnr_db": psnr_db(frames, batch.high)})


class LatentStage:
    """Trains encoder and large decoder on high-quality clips alone."""

    def __init__(self, config: StageConfig, _runs: Path, device: torch.device) -> None:
        """Begin with new weights."""
        model = find_model(config.model)
        self._encoder = build_encoder(model).to(device)
        self._vae = build_wan_vae(model).to(device)
        self._statistics = RunningStatistics(model.wan_vae.latent_channels).to(device)
        self._objective = _Autoencoding(config, self._encoder, self._vae, self._statistics)
        self._lr = config.optimizer.lr

    @property
    def pieces(self) -> Mapping[str, nn.Module]:
        """Encoder, large decoder and statistics."""
        return {
            ENCODER: self._encoder,
            WAN_VAE: self._vae,
            LATENT_STATISTICS: self._statistics,
        }

    @property
    def players(self) -> tuple[Player, ...]:
        """The autoencoder."""
        groups = ((self._encoder, self._lr), (self._vae, self._lr))
        return (Player("autoencoder", self._objective, groups),)
