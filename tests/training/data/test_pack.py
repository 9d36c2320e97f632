"""Packing: what gets in, what is refused, what comes out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.data import decoding
from training.data.archive import read_archive
from training.data.errors import DataError, HeldOutError
from training.data.pack import PackSettings, pack
from training.data.packed import PackedClips

ROOT = Path(__file__).parents[3]


def quietly(_line: str) -> None:
    pass


def test_a_cut_never_lies_inside_a_segment(packed_set: Path) -> None:
    entries = {entry.name: entry for entry, _ in read_archive(packed_set)}
    # 12 frames, a cut, 5 frames; segments have at most 10 frames here.
    assert entries["clip"].segments == (10, 2, 5)
    packed = PackedClips.open(packed_set)
    assert [source.frames for source in packed.clips] == [10, 2, 5]


def test_packed_pictures_look_like_their_sources(packed_set: Path, training_folder: Path) -> None:
    packed = PackedClips.open(packed_set)
    original = np.asarray(Image.open(training_folder / "photographs" / "photo1.png"), np.float64)
    stored = packed.photographs[0].levels[0][0].movedim(0, -1).numpy()
    assert stored.shape == original.shape
    assert np.abs(stored - original).mean() < 4


@pytest.mark.parametrize("width_px", [64, 128])
def test_a_clip_is_encoded_alike_whatever_memory_held(width_px: int) -> None:
    script = f"""
import hashlib
import numpy as np
from training.data.encoding import encode_clip
y, x = np.mgrid[:48, :{width_px}]
frames = []
for t in range(17):
    red = 128 + 60 * np.sin((x + 2 * t) / 9) + 40 * np.cos(y / 7)
    frames.append(np.stack([red, 100 + 50 * np.sin((y - t) / 5), x * 2.0], axis=-1))
clip = np.stack(frames).clip(0, 255).astype(np.uint8)
print(hashlib.sha256(encode_clip(clip, 14)).hexdigest())
"""
    made = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"MALLOC_PERTURB_": perturbed},
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        for perturbed in ("0", "37", "170")
    }  # fmt: skip
    assert len(made) == 1


def test_packing_twice_gives_the_same_bytes(training_folder: Path, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        pack(training_folder, tmp_path / name, PackSettings(), quietly)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize("place", ["photographs/heldout-p.png", "clips/HeldOut_clip.mkv"])
def test_held_out_files_are_refused_and_nothing_is_written(
    training_folder: Path, tmp_path: Path, place: str
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(training_folder, folder)
    source = "photographs/photo1.png" if "photographs" in place else "clips/clip.mkv"
    shutil.copyfile(folder / source, folder / place)
    with pytest.raises(HeldOutError, match="never trained on"):
        pack(folder, tmp_path / "set.tar", PackSettings(), quietly)
    assert list(tmp_path.glob("*.tar*")) == []


def test_a_packed_held_out_clip_is_refused_when_it_is_opened(
    packed_set: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from training.data.archive import write_archive

    renamed = [(replace(e, name=f"heldout-{e.name}"), c) for e, c in read_archive(packed_set)]
    write_archive(tmp_path / "bad.tar", renamed)
    with pytest.raises(HeldOutError):
        PackedClips.open(tmp_path / "bad.tar")


def test_what_is_no_training_set_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("hello")
    with pytest.raises(DataError, match="no packed training set"):
        PackedClips.open(tmp_path / "text.tar")
    with pytest.raises(DataError, match="does not exist"):
        PackedClips.open(tmp_path / "missing.tar")
    with pytest.raises(DataError, match="nothing to pack"):
        pack(tmp_path, tmp_path / "empty.tar", PackSettings(), quietly)


def test_opencv_decodes_what_pyav_decodes(packed_set: Path) -> None:
    pytest.importorskip("cv2")
    content = next(c for e, c in read_archive(packed_set) if e.kind == "clip")
    with_av = np.stack(decoding._decode_with_av(content)).astype(np.float64)
    with_opencv = np.stack(decoding._decode_with_opencv(content, ".mkv"))
    # Their colour conversions round differently.
    assert np.abs(with_av - with_opencv).max() <= 12
    assert np.abs(with_av - with_opencv).mean() < 1.5


def test_the_command_packs_and_says_how_much(training_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "set.tar"
    command = [sys.executable, "-m", "training.data", "pack", str(training_folder), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2 photographs, 1 clips" in done.stdout
    clip = PackedClips.open(target).sample(1, 3, 64, torch.Generator().manual_seed(0))
    assert clip.shape == (1, 3, 3, 64, 64)
