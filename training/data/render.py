"""Turn held-out photographs into held-out clips, so that evaluation has sharp footage."""

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import torch

from training.data.camera import CameraSettings, draw_path, render
from training.data.catalogue import PHOTOGRAPH_SUFFIXES
from training.data.decoding import decode_picture
from training.data.encoding import encode_clip
from training.data.source import Source

FRAMES = 49
HEIGHT_PX, WIDTH_PX = 360, 640


def render_held_out(folder: Path, say: Callable[[str], None]) -> None:
    """Write a nearly lossless 640x360 clip beside every photograph, which is then removed.

    The camera's path is drawn from the file's name, so that everybody gets the same clip.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PHOTOGRAPH_SUFFIXES:
            continue
        say(path.name)
        pixels = torch.from_numpy(decode_picture(path.read_bytes()).copy())[None]
        source = Source.build(path.stem, pixels)
        picture, step_px = source.choose_level(2.5, (HEIGHT_PX, WIDTH_PX))
        generator = torch.Generator().manual_seed(crc32(path.stem.encode()))
        camera = draw_path(FRAMES, CameraSettings(still_share=0.0), generator)
        centre = (picture.shape[-1] / 2, picture.shape[-2] / 2)
        clip = render(picture, camera, centre, step_px, HEIGHT_PX, WIDTH_PX)
        frames = clip.clamp(0, 255).round().to(torch.uint8).movedim(1, -1).contiguous().numpy()
        path.with_suffix(".mkv").write_bytes(encode_clip(frames, crf=4, full_chroma=True))
        path.unlink()
