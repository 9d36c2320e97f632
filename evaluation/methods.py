"""Ways to enlarge a clip: the model, and the filters that it is compared with."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from flashvsr_core import FlashVSR, Size, StreamSettings, plan_geometry
from flashvsr_core.schedule import chunk_at

Frames = npt.NDArray[np.uint8]


class Method(Protocol):
    """Enlarges clips."""

    name: str

    def enlarge(self, low: Frames, scale: int) -> Frames:
        """Return (T, H*scale, W*scale, 3) of (T, H, W, 3)."""


class Filter:
    """One of Pillow's filters on 8-bit frames."""

    def __init__(self, name: str, filter_: Image.Resampling) -> None:
        self.name = name
        self._filter = filter_

    def enlarge(self, low: Frames, scale: int) -> Frames:
        """Enlarge every frame by itself."""
        size = (low.shape[2] * scale, low.shape[1] * scale)
        return np.stack([np.asarray(Image.fromarray(f).resize(size, self._filter)) for f in low])


BASELINES: tuple[Filter, ...] = (
    Filter("bicubic", Image.Resampling.BICUBIC),
    Filter("lanczos", Image.Resampling.LANCZOS),
)


class Model:
    """FlashVSR with some weights, as a stream."""

    def __init__(self, model: FlashVSR, settings: StreamSettings, name: str = "flashvsr") -> None:
        self.name = name
        self._model = model
        self._settings = settings

    def enlarge(self, low: Frames, scale: int) -> Frames:
        """Stream the clip through the model."""
        geometry = plan_geometry(Size(low.shape[1], low.shape[2]), scale=scale)
        frames = (torch.from_numpy(frame)[None] for frame in low)
        parts = self._model.upscale(frames, geometry, self._settings)
        return np.concatenate([part.cpu().numpy() for part in parts])


def model_name(weights: Path) -> str:
    """Return what the model is called in tables: its folder's name."""
    return weights.resolve().name or "flashvsr"


def chunk_borders(frames: int) -> list[int]:
    """Return the numbers of frames that begin a new chunk, the first frame left out."""
    borders, position, index = [], 0, 0
    while (position := position + chunk_at(index).emits) < frames:
        borders.append(position)
        index += 1
    return borders
