"""A picture of some training pairs, to look at before a long run."""

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from training.data.batches import Batches, BatchSettings
from training.data.degradation import Degradation
from training.data.packed import PackedClips

PAIRS = 8


def draw_sheet(packed: Path, target: Path, scale: int, seed: int) -> None:
    """Write a PNG: above, first and last low-quality frames enlarged; below, the originals."""
    settings = BatchSettings(batch=PAIRS, frames=9, size_px=192, group=1, seed=seed)
    high, low = Batches(PackedClips.open(packed), Degradation(scale), settings).at(0)
    ends_high, ends_low = high[:, :, [0, -1]].movedim(2, 1), low[:, :, [0, -1]].movedim(2, 1)
    enlarged = F.interpolate(ends_low.flatten(0, 1), scale_factor=scale, mode="nearest")
    rows = torch.stack([enlarged, ends_high.flatten(0, 1)])
    levels = rows.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    # (2, N, 3, H, W) -> (2*H, N*W, 3)
    picture = levels.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)
    Image.fromarray(picture.contiguous().numpy()).save(target)
