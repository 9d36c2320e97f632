"""A small training set that is made on the spot."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.encoding import encode_clip
from training.data.pack import PackSettings, pack


def textured(
    height_px: int, width_px: int, seed: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Smooth blobs with fine noise on them: (H, W, 3)."""
    draw = np.random.default_rng(seed)
    coarse = draw.uniform(0, 255, (height_px // 16 + 1, width_px // 16 + 1, 3)).astype(np.uint8)
    smooth = Image.fromarray(coarse).resize((width_px, height_px), Image.Resampling.BICUBIC)
    fine = draw.normal(0, 12, (height_px, width_px, 1))
    return np.clip(np.asarray(smooth, np.float64) + fine, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def training_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs and one clip with a cut in it; read it, do not change it."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "photographs").mkdir()
    (folder / "clips").mkdir()
    for seed in (1, 2):
        picture = Image.fromarray(textured(300, 400, seed))
        picture.save(folder / "photographs" / f"photo{seed}.png")
    wide = textured(160, 260, 3)
    moving = [wide[:, 2 * i : 2 * i + 200] for i in range(12)]
    other = [255 - frame for frame in moving[:5]]
    (folder / "clips" / "clip.mkv").write_bytes(encode_clip(np.stack(moving + other), crf=10))
    return folder


@pytest.fixture(scope="session")
def packed_set(training_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, packed."""
    target = tmp_path_factory.mktemp("packed") / "set.tar"
    pack(training_folder, target, PackSettings(segment_frames=10), lambda _line: None)
    return target
