"""Make one compact file of a folder of photographs and clips."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from media.open import open_source
from training.data.archive import Entry, write_archive
from training.data.catalogue import PHOTOGRAPH_SUFFIXES
from training.data.encoding import encode_clip
from training.data.errors import DataError
from training.data.held_out import refuse_held_out

Frames = npt.NDArray[np.uint8]
CUT_LEVELS = 30.0
"""A mean change between two frames beyond this many 8-bit levels is a cut."""


@dataclass(frozen=True)
class PackSettings:
    """How compact the packed file is."""

    photograph_megapixels: float = 2.0
    jpeg_quality: int = 92
    clip_side_px: int = 640
    """Longer side of clips; larger ones are reduced."""
    clip_crf: int = 14
    segment_frames: int = 50
    segments: int = 6
    """At most so many from one clip, evenly spread."""


def pack(
    folder: Path, target: Path, settings: PackSettings, say: Callable[[str], None]
) -> tuple[int, int]:
    """Pack `folder`/photographs and `folder`/clips; return how many photographs and clips.

    Raises:
        HeldOutError: a file's name begins with `heldout`.
        DataError: there is nothing to pack, or a clip is shorter than two frames.
        InputError: a file cannot be read.

    """
    photographs = _files(folder / "photographs", PHOTOGRAPH_SUFFIXES)
    clips = _files(folder / "clips", None)
    for path in (*photographs, *clips):
        refuse_held_out(path)
    if not photographs and not clips:
        raise DataError(
            f"{folder} holds nothing to pack; put pictures into {folder}/photographs and videos"
            f" into {folder}/clips, or fill it with 'python -m training.data gather'"
        )
    contents = []
    for path in photographs:
        say(path.name)
        entry = Entry(path.stem, "photograph", f"photographs/{path.stem}.jpg")
        contents.append((entry, _photograph(path, settings)))
    for path in clips:
        say(path.name)
        parts = _segments(path, settings)
        entry = Entry(path.stem, "clip", f"clips/{path.stem}.mkv", tuple(len(p) for p in parts))
        contents.append((entry, encode_clip(np.concatenate(parts), crf=settings.clip_crf)))
    write_archive(target, contents)
    return len(photographs), len(clips)


def _files(folder: Path, suffixes: set[str] | None) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (suffixes is None or path.suffix.lower() in suffixes)
    )


def _photograph(path: Path, settings: PackSettings) -> bytes:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    share = settings.photograph_megapixels * 1e6 / (picture.width * picture.height)
    if share < 1:
        size = (round(picture.width * share**0.5), round(picture.height * share**0.5))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=settings.jpeg_quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def _segments(path: Path, settings: PackSettings) -> list[Frames]:
    """Cut a clip into unbroken runs and take some of them, evenly spread."""
    runs = list(_runs(path, settings))
    if not runs:
        raise DataError(f"{path.name} is too short to pack; give at least two frames")
    wanted = min(settings.segments, len(runs))
    return [runs[index * len(runs) // wanted] for index in range(wanted)]


def _runs(path: Path, settings: PackSettings) -> Iterator[Frames]:
    run: list[Frames] = []
    with open_source(path) as source:
        share = min(1.0, settings.clip_side_px / max(source.width_px, source.height_px))
        # Even sides, since the clip is stored with halved chroma.
        size = (
            int(source.width_px * share) // 2 * 2,
            int(source.height_px * share) // 2 * 2,
        )
        for frame in source:
            pixels = frame.pixels if frame.pixels.dtype == np.uint8 else frame.pixels >> 8
            picture = Image.fromarray(pixels.astype(np.uint8))
            reduced = np.asarray(picture.resize(size, Image.Resampling.LANCZOS), np.uint8)
            if run and _is_cut(run[-1], reduced):
                if len(run) > 1:
                    yield np.stack(run)
                run = []
            run.append(reduced)
            if len(run) == settings.segment_frames:
                yield np.stack(run)
                run = []
    if len(run) > 1:
        yield np.stack(run)


def _is_cut(before: Frames, after: Frames) -> bool:
    change = np.abs(before[::4, ::4].astype(np.int16) - after[::4, ::4])
    return float(change.mean()) > CUT_LEVELS
