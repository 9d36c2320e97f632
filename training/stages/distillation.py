"""Stage 3: one step instead of many, by distribution matching, with the pixels in view.

The student begins as stage 2's model and runs at pure noise, as in a stream. A frozen teacher
(stage 1) and a critic that follows the student tell where its latents differ in distribution; flow
matching, pixel and perceptual terms tie them to the ground truth. With `decoder_lr` the tiny
decoder learns along, so that it meets the latents that it will get.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from flashvsr_core.tiny_decoder import TinyDecoder
from training.batch import Batch, without_its_noise
from training.config import StageConfig
from training.diffusion import Denoiser, match_distribution, match_flow
from training.forward.tiny_decoder import Convolve, decode_clips
from training.held import Copy
from training.latent_space import LatentSpace
from training.losses import (
    charbonnier,
    compare_changes,
    compare_rhythm,
    edge_weights,
    inside,
    log_error,
    mean_square,
    psnr_db,
)
from training.matching import match_clean
from training.networks import (
    DIT,
    LQ_PROJECTION,
    TINY_DECODER,
    build_tiny_decoder,
    find_model,
    freeze,
    hold_copy,
    load_piece,
)
from training.perceptual import load_perceptual
from training.precision import carrying_frames
from training.rates import rates_by_inputs
from training.silence import Drawing
from training.stages.flow_matching import pattern_of, trained_denoiser
from training.stages.stage import LAG, Player, Terms, Whitened, weigh
from training.whitening import Whitening


class _Student(nn.Module):
    def __init__(
        self,
        config: StageConfig,
        space: LatentSpace,
        student: Denoiser,
        decoder: TinyDecoder,
        copy: Copy,
        judges: tuple[Denoiser, Denoiser],
    ) -> None:
        super().__init__()
        self.dit, self.projection = student.dit, student.projection
        self.drawing, self._decoder = Drawing(decoder, copy), decoder
        self._config, self._space, self._student = config, space, student
        # In a tuple, so that they are no submodules: their gradients are not this player's.
        self._judges = judges
        self._perceptual = load_perceptual(config.perceptual)

    def forward(self, batch: Batch, _handed: Mapping[str, Tensor]) -> Terms:
        config = self._config
        emitted = batch.high[:, :, :-LAG]
        truth = self._space.encode(emitted)
        clean = self._clean(batch, batch.noise_like(truth))
        with carrying_frames(clean.device):
            drawn, silence = self.drawing(clean, batch.low[:, :, :-LAG])
            frames, missing = match_clean(drawn, batch.sources)
        named = {
            # At pure noise flow matching is the distance of the latents.
            "flow": mean_square(clean, truth),
            "pixel": charbonnier(frames, emitted, edge_weights(frames)),
            "log_error": log_error(frames, emitted, edge_weights(frames)),
            "perceptual": self._perceptual(inside(frames), inside(emitted)),
            "change": compare_changes(inside(frames), inside(emitted)),
            "rhythm": compare_rhythm(inside(frames), inside(emitted)),
            "missing": missing,
            "silence": silence,
        }
        if config.losses.get("distribution"):
            named["distribution"] = match_distribution(
                *self._judges, batch, clean, config.diffusion.shift
            )
        terms = weigh(config, named)
        logged = {
            **terms.logged,
            "psnr_db": psnr_db(inside(frames), inside(emitted)),
            "psnr_db_bicubic": psnr_db(inside(batch.low[:, :, :-LAG]), inside(emitted)),
        }
        return Terms(terms.loss, logged, {"clean": clean.detach()})

    def _clean(self, batch: Batch, noise: Tensor) -> Tensor:
        """Return the latents of one step from pure noise."""
        sigma = torch.ones(len(noise), device=noise.device)
        pattern = pattern_of(self._config, batch)
        return noise - self._student.velocity(noise, batch.low, sigma, pattern)

    @torch.no_grad()
    def look(self, batch: Batch, convolved: Convolve) -> None:
        """Draw a batch that is not learned from, its convolutions computed by `convolved`."""
        batch = without_its_noise(batch)
        emitted = batch.low[:, :, :-LAG]
        noise = batch.noise_for_latents(self.dit.config.latent_channels, emitted.shape[2])
        clean = self._clean(batch, noise)
        with carrying_frames(clean.device):
            decode_clips(self._decoder, clean, emitted, convolved)


class _Critic(nn.Module):
    def __init__(self, config: StageConfig, critic: Denoiser) -> None:
        super().__init__()
        self.dit, self.projection = critic.dit, critic.projection
        self._config, self._critic = config, critic

    def forward(self, batch: Batch, handed: Mapping[str, Tensor]) -> Terms:
        loss = match_flow(self._critic, batch, handed["clean"], self._config.diffusion.shift)
        return Terms(loss, {"loss": loss.detach()})


class DistillationStage:
    """Trains the one-step student, its critic, and the tiny decoder if it has a learning rate."""

    def __init__(self, config: StageConfig, runs: Path, device: torch.device) -> None:
        """Begin with the student of stage 2, and a critic like the teacher."""
        model = find_model(config.model)
        self._config = config
        self._student = trained_denoiser(config, runs, "streaming", device)
        self._critic = trained_denoiser(config, runs, "full_attention", device)
        teacher = trained_denoiser(config, runs, "full_attention", device)
        freeze(teacher.dit)
        freeze(teacher.projection)
        decoder = load_piece(build_tiny_decoder(model), runs, "decoder", TINY_DECODER)
        self._decoder = decoder.to(device)
        copy = hold_copy(self._decoder, config)
        self._whitened: Whitened | None = None
        if not config.decoder_lr:
            freeze(self._decoder)
        elif config.optimizer.whitened:
            whitening = Whitening(self._decoder, copy)
            self._whitened = Whitened(whitening, self._look)
        self._objective = _Student(
            config,
            LatentSpace(runs, model, device),
            self._student,
            self._decoder,
            copy,
            (teacher, self._critic),
        )

    @property
    def pieces(self) -> Mapping[str, nn.Module]:
        """Student, decoder and critic."""
        return {
            DIT: self._student.dit,
            LQ_PROJECTION: self._student.projection,
            TINY_DECODER: self._decoder,
            f"critic_{DIT}": self._critic.dit,
            f"critic_{LQ_PROJECTION}": self._critic.projection,
        }

    @property
    def players(self) -> tuple[Player, ...]:
        """The student, and the critic if the distribution counts."""
        config = self._config
        lr = config.optimizer.lr
        groups: list[tuple[nn.Module, float]] = [
            (self._student.dit, lr),
            (self._student.projection, lr),
        ]
        if config.decoder_lr:
            groups += rates_by_inputs(self._decoder, config.decoder_lr)
        student = Player("student", self._objective, tuple(groups), self._whitened)
        if not config.losses.get("distribution"):
            return (student,)
        critic_lr = config.diffusion.critic_lr
        critic = Player(
            "critic",
            _Critic(config, self._critic),
            ((self._critic.dit, critic_lr), (self._critic.projection, critic_lr)),
        )
        return (student, critic)

    def _look(self, batch: Batch) -> None:
        assert self._whitened
        self._objective.look(batch, self._whitened.whitening.watched)
