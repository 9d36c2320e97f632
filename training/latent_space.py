"""The small latent space: encoder, large decoder, and the statistics that normalise latents."""

from pathlib import Path

import torch
from torch import Tensor, nn

from flashvsr_core.wan_vae import LatentStatistics, WanVAE
from flashvsr_core.weights.random import ModelConfig
from training.encoder import Encoder, EncoderConfig
from training.forward import wan_vae
from training.networks import ENCODER, LATENT_STATISTICS, WAN_VAE, freeze, load_piece
from training.position_code import AMPLITUDE, CODED_CHANNELS, write_code

STAGE = "latent"

_MOMENTUM = 0.02


class RunningStatistics(nn.Module):
    """Mean and mean square of every latent channel, as a moving average over batches."""

    mean: Tensor
    square: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("square", torch.ones(channels))

    @torch.no_grad()
    def observe(self, mean: Tensor, square: Tensor) -> None:
        """Take in one step's moments, (channels,) each."""
        self.mean.lerp_(mean, _MOMENTUM)
        self.square.lerp_(square, _MOMENTUM)

    def statistics(self) -> LatentStatistics:
        """Return what a weights folder holds; the large decoder is given a code of 1 and -1."""
        mean = self.mean.clone()
        deviation = (self.square - mean.square()).clamp_min(1e-6).sqrt()
        mean[-CODED_CHANNELS:], deviation[-CODED_CHANNELS:] = 0.0, 1 / AMPLITUDE
        return LatentStatistics(mean, deviation)


def build_encoder(model: ModelConfig) -> Encoder:
    """Return a new encoder as wide as the model's large decoder."""
    return Encoder(EncoderConfig(model.wan_vae.base, model.wan_vae.latent_channels))


def build_wan_vae(model: ModelConfig) -> WanVAE:
    """Return a new large decoder; its statistics are not used in training."""
    channels = model.wan_vae.latent_channels
    return WanVAE(model.wan_vae, LatentStatistics(torch.zeros(channels), torch.ones(channels)))


class LatentSpace:
    """The trained latent space, frozen, as later stages use it."""

    def __init__(self, runs: Path, model: ModelConfig, device: torch.device) -> None:
        """Load what the stage `latent` gave."""
        channels = model.wan_vae.latent_channels
        self.encoder = freeze(load_piece(build_encoder(model), runs, STAGE, ENCODER)).to(device)
        self.vae = freeze(load_piece(build_wan_vae(model), runs, STAGE, WAN_VAE)).to(device)
        running = load_piece(RunningStatistics(channels), runs, STAGE, LATENT_STATISTICS)
        statistics = running.statistics()
        self._mean = statistics.mean.view(1, -1, 1, 1, 1).to(device)
        self._std = statistics.std.view(1, -1, 1, 1, 1).to(device)

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Return normalised latents (B, 16, f, H/8, W/8) of (B, 3, 4f - 3, H, W), with the code."""
        mean, _ = self.encoder(frames)
        return write_code((mean - self._mean) / self._std)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Return what the large decoder makes of normalised latents, (B, 3, 4f - 3, H, W)."""
        return wan_vae.decode_clips(self.vae, latents * self._std + self._mean).clamp(-1, 1)
