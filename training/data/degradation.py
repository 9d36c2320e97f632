"""Second-order degradation of clips, after Real-ESRGAN (arXiv 2107.10833) and RealBasicVSR.

Two rounds of blur, resize, noise and JPEG, the second one with video compression by real codecs,
each round in random order. Parameters are one clip's own and drift slowly along its frames.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.data.blur import BlurSettings
from training.data.codec import CodecPool
from training.data.noise import NoiseSettings
from training.data.resize import ResizeSettings, draw_method, resize
from training.data.round import Round, RoundSettings


def _second_round() -> RoundSettings:
    return RoundSettings(
        blur=BlurSettings(sigma_px=(0.2, 1.0)),
        noise=NoiseSettings(sigma=(1 / 255, 10 / 255), poisson_scale=(0.05, 1.0)),
        resize=ResizeSettings(low=0.7, high=1.2),
        blur_share=0.5,
        noise_share=0.6,
        codec_share=0.5,
    )


@dataclass(frozen=True)
class DegradationSettings:
    """The whole recipe."""

    first: RoundSettings = field(default_factory=RoundSettings)
    second: RoundSettings = field(default_factory=_second_round)
    second_share: float = 0.8
    """Share of groups that get a second round."""
    clean_share: float = 0.1
    """Share of groups that are only reduced, bicubically."""


class Degradation:
    """Turns high-quality clips into the low-quality ones that the model is shown."""

    def __init__(
        self,
        scale: int,
        settings: DegradationSettings | None = None,
        codecs: CodecPool | None = None,
    ) -> None:
        """Prepare for a scale of 2, 3 or 4; without `codecs` the caller's process compresses."""
        self.scale = scale
        self.settings = settings or DegradationSettings()
        codecs = codecs or CodecPool()
        self._first = Round(self.settings.first, codecs)
        self._second = Round(self.settings.second, codecs)

    def __call__(self, clips: Tensor, generator: torch.Generator) -> Tensor:
        """Degrade one group of clips, which share the order of operations and the sizes.

        Args:
            clips: (N, 3, T, H, W) in [-1, 1]; H and W are multiples of the scale.
            generator: on the CPU; same state, same result on the same kind of device.

        Returns:
            (N, 3, T, H/scale, W/scale) in [-1, 1], on 8-bit levels.

        Raises:
            ValueError: the size is not a multiple of the scale.

        """
        height, width = clips.shape[-2:]
        if height % self.scale or width % self.scale:
            raise ValueError(
                f"A clip of {width}x{height} cannot be reduced by {self.scale}; crop it."
            )
        low_height, low_width = height // self.scale, width // self.scale
        is_clean, has_second = torch.rand(2, generator=generator)
        frames = clips.movedim(2, 1) * 0.5 + 0.5
        if is_clean < self.settings.clean_share:
            frames = resize(frames, low_height, low_width, "bicubic")
        else:
            frames = self._first(frames, (height, width), generator)
            if has_second < self.settings.second_share:
                frames = self._second(frames, (low_height, low_width), generator)
            frames = resize(frames, low_height, low_width, draw_method(generator))
        levels = (frames.clamp(0, 1) * 255).round_()
        return levels.mul_(2 / 255).sub_(1).movedim(1, 2)
