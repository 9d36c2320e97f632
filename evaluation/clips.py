"""The clips of an evaluation: ground truth, low quality, or both."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.errors import EvaluationDataError
from media.images import IMAGE_SUFFIXES
from media.open import open_source
from training.data.named import DegradationName, degrade

Frames = npt.NDArray[np.uint8]
"""(T, H, W, 3) full-range RGB."""

TRUTH_FOLDERS = ("gt", "GT", "truth", "hr", "HR")
LOW_FOLDERS = ("lq", "LQ", "lr", "LR")


@dataclass(frozen=True)
class Clip:
    """One clip: what the model is given, and what it should give back, where that is known."""

    name: str
    low: Frames
    truth: Frames | None


@dataclass(frozen=True)
class ClipSet:
    """Where the clips lie: videos, images, or one folder of images per clip.

    truth: their folder, or None where there is no ground truth.
    low: the folder of given low-quality clips of the same names, or None to degrade the truth.
    """

    truth: Path | None
    low: Path | None

    @classmethod
    def find(cls, folder: Path) -> "ClipSet":
        """Look for `gt` and `lq` (or HR and LR) in a folder; without them it is all truth.

        Raises:
            EvaluationDataError: there is no such folder.

        """
        if not folder.is_dir():
            raise EvaluationDataError(f"{folder} is no folder; give one that holds clips")
        truth = next((folder / n for n in TRUTH_FOLDERS if (folder / n).is_dir()), None)
        low = next((folder / n for n in LOW_FOLDERS if (folder / n).is_dir()), None)
        return cls(folder if truth is None and low is None else truth, low)

    def read(
        self, scale: int, degradation: DegradationName, max_frames: int | None, seed: int
    ) -> Iterator[Clip]:
        """Read the clips one after the other.

        Truth is cropped at the right and the bottom to a multiple of the scale.

        Args:
            scale: 2, 3 or 4.
            degradation: how truth is made into low quality where that is not given.
            max_frames: the first frames of each clip, or None for all.
            seed: of the degradation.

        Raises:
            EvaluationDataError: there are no clips, or truth and low quality do not fit.
            InputError: a clip cannot be read.

        """
        home = self.truth or self.low
        assert home is not None
        names = clip_names(home)
        if not names:
            raise EvaluationDataError(f"{home} holds no clips; put videos or image folders there")
        for path in names:
            if self.truth is None:
                yield Clip(path.stem, read_frames(path, max_frames), None)
                continue
            truth = read_frames(path, max_frames)
            height, width = (side // scale * scale for side in truth.shape[1:3])
            truth = np.ascontiguousarray(truth[:, :height, :width])
            if self.low is None:
                low = degrade(truth, degradation, scale, path.stem, seed)
            else:
                low = read_frames(_partner(path, self.low), max_frames)
                _check_sizes(path.stem, truth, low, scale)
            yield Clip(path.stem, low, truth)


def clip_names(folder: Path) -> list[Path]:
    """Return the clips of a folder in order; a folder that holds images is one clip itself."""
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    if any(p.suffix.lower() in IMAGE_SUFFIXES for p in entries):
        return [folder]
    return [p for p in entries if p.is_dir() or p.suffix.lower() in VIDEO_SUFFIXES]


VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".ts"}


def read_frames(path: Path, max_frames: int | None) -> Frames:
    """Read the first frames of a clip at 8 bit, (T, H, W, 3)."""
    frames: list[Frames] = []
    with open_source(path) as source:
        for frame in source:
            if max_frames is not None and len(frames) == max_frames:
                break
            pixels = frame.pixels
            frames.append((pixels if pixels.dtype == np.uint8 else pixels >> 8).astype(np.uint8))
    return np.stack(frames)


def _partner(path: Path, folder: Path) -> Path:
    """Return the low-quality clip that belongs to a ground truth, by its name."""
    for candidate in clip_names(folder):
        if candidate.stem == path.stem or candidate == folder:
            return candidate
    raise EvaluationDataError(f"{folder} has no clip named {path.stem}; names must be equal")


def _check_sizes(name: str, truth: Frames, low: Frames, scale: int) -> None:
    expected = (truth.shape[1] // scale, truth.shape[2] // scale)
    if low.shape[1:3] != expected or len(low) != len(truth):
        raise EvaluationDataError(
            f"{name}: {len(low)} frames of {low.shape[2]}x{low.shape[1]} do not belong to"
            f" {len(truth)} frames of {truth.shape[2]}x{truth.shape[1]} at scale {scale};"
            " choose another --scale"
        )
