"""Write frames as PNG files."""

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def save_png_frames(
    folder: Path | None, clip: str, method: str, frames: "npt.NDArray[np.uint8]"
) -> None:
    """Write (T, H, W, 3) as `folder`/METHOD/CLIP/00000.png and so on; nothing without a folder."""
    if folder is None:
        return
    target = folder / method / clip
    target.mkdir(parents=True, exist_ok=True)
    for index, pixels in enumerate(frames):
        Image.fromarray(pixels).save(target / f"{index:05d}.png")
