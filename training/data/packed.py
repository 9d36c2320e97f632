"""A packed training set: photographs and clips in one file, sampled at random places."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from flashvsr_core.geometry import mirror_indices
from training.data.archive import read_archive
from training.data.camera import CameraPath, CameraSettings, draw_path, reach_px, render, still_path
from training.data.decoding import decode_picture, decode_video
from training.data.errors import DataError
from training.data.held_out import refuse_held_out
from training.data.source import Source


@dataclass(frozen=True)
class SamplingSettings:
    """What is drawn from a packed set."""

    photograph_share: float = 0.7
    """Share of clips made from photographs by camera motion."""
    camera: CameraSettings = field(default_factory=CameraSettings)
    clip_camera: CameraSettings = field(
        default_factory=lambda: CameraSettings(2.0, 0.003, 0.002, 0.8, still_share=0.5)
    )
    """Camera motion on top of what real clips show."""
    reduction: tuple[float, float] = (0.4, 2.5)
    """Source pixels per sampled pixel: from what somebody enlarged before, as much of what people
    have is, over sharp details to whole objects."""


class PackedClips:
    """The decoded contents of a packed file, which give clips at random."""

    def __init__(
        self,
        photographs: list[Source],
        clips: list[Source],
        settings: SamplingSettings | None = None,
    ) -> None:
        if not photographs and not clips:
            raise DataError("The packed training set is empty; add photographs or clips, and pack.")
        self.photographs = photographs
        self.clips = clips
        self.settings = settings or SamplingSettings()

    @classmethod
    def open(
        cls,
        path: str | Path,
        device: torch.device | str = "cpu",
        settings: SamplingSettings | None = None,
    ) -> Self:
        """Read and decode a packed file; its pixels stay on `device`.

        Raises:
            DataError: the file is missing, or no packed training set.
            HeldOutError: somebody packed a clip that is kept for evaluation.

        """
        photographs: list[Source] = []
        clips: list[Source] = []
        for entry, content in read_archive(Path(path)):
            refuse_held_out(entry.name)
            suffix = Path(entry.file).suffix
            if entry.kind == "photograph":
                pixels = torch.from_numpy(decode_picture(content).copy())[None]
                photographs.append(Source.build(entry.name, pixels.to(device)))
                continue
            pixels = torch.from_numpy(decode_video(content, suffix)).to(device)
            for part in pixels.split(entry.segments):
                clips.append(Source.build(entry.name, part))
        return cls(photographs, clips, settings)

    def sample(
        self,
        batch: int,
        frames: int,
        size_px: int | tuple[int, int],
        generator: torch.Generator,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Draw clips.

        Args:
            batch: how many, B.
            frames: length T of each; 1 gives images.
            size_px: side of a square, or (height, width).
            generator: on the CPU; same state, same clips.
            device: where to; where the set is if left out.

        Returns:
            (B, 3, T, H, W) float32 in [-1, 1].

        """
        drawn = [self.draw(frames, size_px, generator) for _ in range(batch)]
        stacked = torch.stack(drawn)
        return stacked if device is None else stacked.to(device)

    def draw(
        self, frames: int, size_px: int | tuple[int, int], generator: torch.Generator
    ) -> Tensor:
        """Draw one clip, (3, T, H, W) in [-1, 1]; arguments as in `sample`."""
        height, width = (size_px, size_px) if isinstance(size_px, int) else size_px
        choice, which = torch.rand(2, generator=generator).tolist()
        use_photograph = choice < self.settings.photograph_share
        pool = (
            (self.photographs if use_photograph else self.clips) or self.photographs or self.clips
        )
        source = pool[min(int(which * len(pool)), len(pool) - 1)]
        is_photograph = source.frames == 1
        camera = self.settings.camera if is_photograph else self.settings.clip_camera
        path = draw_path(frames, camera, generator)
        start, share, place_x, place_y = torch.rand(4, generator=generator).tolist()
        mirror, turn, reverse = (torch.rand(3, generator=generator) < 0.5).tolist()
        low, high = self.settings.reduction
        picture, step_px = source.choose_level(low * (high / low) ** share, (height, width))
        path = _fit(path, picture, step_px, (height, width))
        if not is_photograph:
            picture = picture[_moments(len(picture), frames, start).to(picture.device)]
        centre = tuple(
            _place(side, reach * step_px, where)
            for side, reach, where in zip(
                (picture.shape[-1], picture.shape[-2]),
                reach_px(path, height, width),
                (place_x, place_y),
                strict=True,
            )
        )
        clip = render(picture, path, (centre[0], centre[1]), step_px, height, width)
        clip = clip.clamp_(0, 255).round_().mul_(2 / 255).sub_(1).movedim(1, 0)
        axes = [
            axis
            for axis, is_on in ((3, mirror), (2, turn and height == width), (1, reverse))
            if is_on
        ]
        return clip.flip(axes) if axes else clip


def _fit(path: CameraPath, picture: Tensor, step_px: float, size_px: tuple[int, int]) -> CameraPath:
    """Return the path, or a calmer one where it would leave the picture."""
    room_x, room_y = picture.shape[-1] / 2 / step_px, picture.shape[-2] / 2 / step_px
    for calm in (1.0, 0.6, 0.3, 0.1):
        tried = CameraPath(path.offset_px * calm, path.scale**calm, path.angle_rad * calm)
        x, y = reach_px(tried, *size_px)
        if x <= room_x and y <= room_y:
            return tried
    return still_path(len(path.scale))


def _place(side_px: int, reach_px: float, where: float) -> float:
    """Return a coordinate that stays `reach_px` away from both ends, if there is room."""
    room = max(0.0, side_px - 2 * reach_px)
    return min(reach_px, side_px / 2) + room * where - 0.5


def _moments(length: int, wanted: int, start: float) -> Tensor:
    """Return frame numbers: a run at a random place, to and fro where the clip is too short."""
    if length >= wanted:
        first = int(start * (length - wanted + 1))
        return torch.arange(first, first + wanted)
    return mirror_indices(length, wanted)
