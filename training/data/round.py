"""One round of degradation: its operations in random order on a group of clips."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.data.blur import BlurSettings, blur, draw_kernels
from training.data.codec import CodecPool, Compression
from training.data.drift import draw_drift
from training.data.jpeg import compress_jpeg
from training.data.noise import NoiseSettings, add_noise
from training.data.resize import ResizeSettings, draw_factor, draw_method, resize


@dataclass(frozen=True)
class RoundSettings:
    """What one round does; shares are the probabilities that a clip gets an operation."""

    blur: BlurSettings = field(default_factory=BlurSettings)
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    resize: ResizeSettings = field(default_factory=ResizeSettings)
    blur_share: float = 0.8
    noise_share: float = 0.8
    jpeg_share: float = 0.8
    jpeg_quality: tuple[float, float] = (40.0, 95.0)
    jpeg_drift: float = 3.0
    """Greatest change of the quality within a clip."""
    codec_share: float = 0.0
    codec_crf: tuple[int, int] = (20, 34)
    """Of libx264."""
    codec_quantizer: tuple[int, int] = (3, 12)
    """Of mpeg4 and mpeg2video."""
    h264_share: float = 0.6
    """Share of libx264 among the codecs."""


class Round:
    """Blur, resize, noise, JPEG and video compression, in an order that is drawn each time."""

    def __init__(self, settings: RoundSettings, codecs: CodecPool) -> None:
        self._settings = settings
        self._codecs = codecs

    def __call__(
        self, frames: Tensor, size_px: tuple[int, int], generator: torch.Generator
    ) -> Tensor:
        """Degrade (N, T, 3, H, W) in [0, 1]; `size_px` is what the resize factor multiplies."""
        drift = draw_drift(frames.shape[0], frames.shape[1], generator)
        operations: list[Callable[[Tensor], Tensor]] = [
            lambda x: self._blur(x, drift, generator),
            lambda x: self._resize(x, size_px, generator),
            lambda x: self._noise(x, drift, generator),
            lambda x: self._jpeg(x, drift, generator),
            lambda x: self._compress(x, generator),
        ]
        for index in torch.randperm(len(operations), generator=generator).tolist():
            frames = operations[index](frames)
        return frames

    def _blur(self, frames: Tensor, drift: Tensor, generator: torch.Generator) -> Tensor:
        kernels = draw_kernels(len(frames), drift, self._settings.blur, generator)
        is_on = self._draw(frames, self._settings.blur_share, generator)
        if is_on.any():
            blurred = blur(frames[is_on].flatten(0, 1), kernels[is_on].flatten(0, 1))
            frames = _put(frames, is_on, blurred.unflatten(0, (-1, frames.shape[1])))
        return frames

    def _resize(
        self, frames: Tensor, size_px: tuple[int, int], generator: torch.Generator
    ) -> Tensor:
        factor = draw_factor(self._settings.resize, generator)
        height, width = (max(8, round(side * factor)) for side in size_px)
        return resize(frames, height, width, draw_method(generator))

    def _noise(self, frames: Tensor, drift: Tensor, generator: torch.Generator) -> Tensor:
        is_on = self._draw(frames, self._settings.noise_share, generator)
        noisy = add_noise(frames[is_on], drift[is_on], self._settings.noise, generator)
        return _put(frames, is_on, noisy).clamp(0, 1)

    def _jpeg(self, frames: Tensor, drift: Tensor, generator: torch.Generator) -> Tensor:
        low, high = self._settings.jpeg_quality
        quality = low + (high - low) * torch.rand(len(frames), 1, generator=generator)
        quality = quality + self._settings.jpeg_drift * drift
        is_on = self._draw(frames, self._settings.jpeg_share, generator)
        if is_on.any():
            coded = compress_jpeg(frames[is_on].flatten(0, 1), quality[is_on].flatten())
            frames = _put(frames, is_on, coded.unflatten(0, (-1, frames.shape[1])))
        return frames

    def _compress(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        is_on = self._draw(frames, self._settings.codec_share, generator)
        chosen = [self._draw_compression(generator) for _ in range(int(is_on.sum()))]
        if not chosen:
            return frames
        levels = (frames[is_on].clamp(0, 1) * 255).round().to(torch.uint8)
        clips = levels.movedim(2, -1).contiguous().cpu().numpy()
        coded = self._codecs.compress(list(zip(clips, chosen, strict=True)))
        stacked = torch.stack([torch.from_numpy(clip) for clip in coded]).to(frames.device)
        return _put(frames, is_on, stacked.movedim(-1, 2).float() / 255)

    def _draw_compression(self, generator: torch.Generator) -> Compression:
        codec, older, share = torch.rand(3, generator=generator).tolist()
        low, high = self._settings.codec_crf
        if codec < self._settings.h264_share:
            return Compression("libx264", crf=round(low + (high - low) * share))
        low, high = self._settings.codec_quantizer
        quantizer = round(low + (high - low) * share)
        return Compression("mpeg4" if older < 0.5 else "mpeg2video", quantizer=quantizer)

    @staticmethod
    def _draw(frames: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Draw which clips get an operation; (N,) bool on the CPU."""
        return torch.rand(len(frames), generator=generator) < share


def _put(frames: Tensor, is_on: Tensor, changed: Tensor) -> Tensor:
    """Return the clips with the chosen ones replaced."""
    result = frames.clone()
    result[is_on] = changed.to(result.dtype)
    return result
