"""Flow matching: noise levels, noisy latents, and the loss of a predicted velocity."""

from dataclasses import dataclass

import torch
from torch import Tensor

from flashvsr_core.dit.model import DiT
from flashvsr_core.lq_projection import LQProjection
from training.batch import Batch
from training.forward.attention import StreamingPattern
from training.forward.dit import predict_velocity
from training.forward.lq_projection import project_clips


@dataclass(frozen=True)
class Denoiser:
    """A transformer, its low-quality projection and its prompt."""

    dit: DiT
    projection: LQProjection
    prompt: Tensor
    recompute: bool = False

    def velocity(
        self, noisy: Tensor, low: Tensor, sigma: Tensor, pattern: StreamingPattern | None
    ) -> Tensor:
        """Predict noise minus clean latents; shapes as in `predict_velocity`."""
        tokens = project_clips(self.projection, low)
        return predict_velocity(
            self.dit, noisy, tokens, self.prompt, sigma, pattern, recompute=self.recompute
        ).float()


def draw_sigma(batch: Batch, shift: float) -> Tensor:
    """Draw a noise level in (0, 1) for every clip; `shift` above 1 favours high ones."""
    uniform = batch.uniform().clamp(1e-3, 1 - 1e-3)
    return shift * uniform / (1 + (shift - 1) * uniform)


def mix(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Return `(1 - sigma) * clean + sigma * noise`, sigma (B,)."""
    sigma = sigma.view(-1, 1, 1, 1, 1)
    return (1 - sigma) * clean + sigma * noise


def match_flow(
    denoiser: Denoiser,
    batch: Batch,
    clean: Tensor,
    shift: float,
    pattern: StreamingPattern | None = None,
) -> Tensor:
    """Return the flow-matching loss of clean latents (B, 16, f, H/8, W/8)."""
    noise = batch.noise_like(clean)
    sigma = draw_sigma(batch, shift)
    velocity = denoiser.velocity(mix(clean, noise, sigma), batch.low, sigma, pattern)
    return (velocity - (noise - clean)).square().mean()


def match_distribution(
    teacher: Denoiser, critic: Denoiser, batch: Batch, clean: Tensor, shift: float
) -> Tensor:
    """Return a loss whose gradient moves clean latents from the critic's idea to the teacher's.

    Distribution matching (Yin et al., arXiv 2311.18828): both denoise the student's latents again;
    the difference of their answers is the gradient, scaled per clip by the teacher's error.
    """
    with torch.no_grad():
        noise = batch.noise_like(clean)
        sigma = draw_sigma(batch, shift)
        noisy = mix(clean.detach(), noise, sigma)
        steps = sigma.view(-1, 1, 1, 1, 1)
        real = noisy - steps * teacher.velocity(noisy, batch.low, sigma, None)
        fake = noisy - steps * critic.velocity(noisy, batch.low, sigma, None)
        size = (clean.detach() - real).abs().mean(dim=(1, 2, 3, 4), keepdim=True)
        target = clean.detach() - (fake - real) / size.clamp_min(1e-4)
    return 0.5 * (clean - target).square().mean()
