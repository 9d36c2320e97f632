"""Still images and folders of them, with the shape of a video: one image is one frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image

from media.containers import file_url
from media.errors import (
    AlphaNotSupportedError,
    ColorNotSupportedError,
    FormatNotAllowedError,
    NotAVideoError,
    NoVideoStreamError,
    SizeChangedError,
    TooLargeError,
)
from media.frame import ClosedOnExit, Frame, Pixels
from media.probe import ProbeLimits, check_regular_file

IMAGE_SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
"""File name ending -> Pillow's name of the format."""

FORMATS = sorted(set(IMAGE_SUFFIXES.values()))
ORIENTATION_TAG = 0x0112

EIGHT_BIT_MODES = ("1", "L", "RGB", "P", "YCbCr")
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
SIXTEEN_BIT_GRAY_MODES = ("I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class ImageFacts:
    """One image file as its header describes it; width and height are upright."""

    path: Path
    format: str
    width_px: int
    height_px: int
    bit_depth: int
    orientation: int
    icc_profile: bytes | None
    exif: bytes | None


class ImageReader(ClosedOnExit):
    """The images of a folder in natural order of their names, or a single image.

    Every header is read when opening: all must have one size and one depth. Frame n has pts n.
    bit_depth: 8 or 16.
    """

    def __init__(self, path: str | Path, limits: ProbeLimits | None = None) -> None:
        self.path = Path(path)
        self.images = tuple(_probe_image(file, limits) for file in _list_files(self.path))
        first = self.images[0]
        self.width_px, self.height_px = first.width_px, first.height_px
        self.bit_depth = max(image.bit_depth for image in self.images)
        self.frame_count: int | None = len(self.images)
        for image in self.images:
            if (image.width_px, image.height_px) != (first.width_px, first.height_px):
                raise SizeChangedError(
                    f"{image.path.name}: {image.width_px}x{image.height_px} differs from "
                    f"{first.path.name} with {first.width_px}x{first.height_px}; "
                    "give images of one size"
                )

    def __iter__(self) -> Iterator[Frame]:
        for number, image in enumerate(self.images):
            pixels = _read_pixels(image)
            if self.bit_depth == 16 and pixels.dtype == np.uint8:
                pixels = pixels.astype(np.uint16) * 257
            yield Frame(pixels, number, Fraction(1), 1)

    def close(self) -> None:
        """Do nothing: no file stays open."""


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which `frame2` comes before `frame10`."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p.lower()) for p in parts if p]


def _list_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted((f for f in path.iterdir() if not f.name.startswith(".")), key=natural_key)
    for file in files:
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            raise FormatNotAllowedError(
                f"{file}: this is not an image; leave only {', '.join(IMAGE_SUFFIXES)} files "
                "in the folder"
            )
    if not files:
        raise NoVideoStreamError(f"{path}: the folder holds no image; give one with images")
    return files


def _probe_image(path: Path, limits: ProbeLimits | None) -> ImageFacts:
    limits = limits or ProbeLimits()
    check_regular_file(path, limits)
    name = path.name
    with _opened(path) as image:
        width_px, height_px = image.size
        if width_px * height_px > limits.frame_pixels:
            raise TooLargeError(
                f"{name}: {width_px}x{height_px} is beyond the limit of {limits.frame_pixels} "
                "pixels; scale the image down first"
            )
        # First of all, since this is lost once the image is loaded, as PNG's EXIF data may need.
        bit_depth = 16 if _is_sixteen_bit(image) else 8
        if getattr(image, "n_frames", 1) > 1:
            raise FormatNotAllowedError(
                f"{name}: this image has several pages or is animated; give single images"
            )
        if image.mode in ALPHA_MODES or "transparency" in image.info:
            _refuse_visible_alpha(image, name)
        elif image.mode not in EIGHT_BIT_MODES + SIXTEEN_BIT_GRAY_MODES:
            raise ColorNotSupportedError(
                f"{name}: the colour mode {image.mode} is not supported; convert it to RGB first"
            )
        exif = image.getexif()
        orientation = int(exif.get(ORIENTATION_TAG, 1))
        exif[ORIENTATION_TAG] = 1
        is_sideways = orientation >= 5
        return ImageFacts(
            path=path,
            format=image.format or "",
            width_px=height_px if is_sideways else width_px,
            height_px=width_px if is_sideways else height_px,
            bit_depth=bit_depth,
            orientation=orientation,
            icc_profile=image.info.get("icc_profile"),
            exif=exif.tobytes() if len(exif) > 1 else None,
        )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, and call whatever Pillow raises while it is looked at by its right name."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(f"{path.name}: too many pixels; scale the image down first") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise NotAVideoError(f"{path.name}: this image cannot be read; copy it again") from error


def _refuse_visible_alpha(image: Image.Image, name: str) -> None:
    """Accept an alpha channel that is opaque everywhere, as screenshots have."""
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    if lowest != 255:
        raise AlphaNotSupportedError(
            f"{name}: transparency is not supported; flatten it onto a background"
        )


def _is_sixteen_bit(image: Image.Image) -> bool:
    # Pillow cuts 16-bit RGB down to 8 without a word; only the raw mode of its tiles tells.
    if image.mode in SIXTEEN_BIT_GRAY_MODES:
        return True
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", []))


def _read_pixels(image: ImageFacts) -> Pixels:
    pixels: Pixels
    try:
        if image.bit_depth == 16:
            with av.open(
                file_url(image.path),
                "r",
                format="png_pipe" if image.format == "PNG" else "tiff_pipe",
                container_options={"protocol_whitelist": "file"},
            ) as container:
                frame = next(container.decode(video=0))
                pixels = frame.to_ndarray(format="rgb48le")  # type: ignore[assignment]
        else:
            with _opened(image.path) as opened:
                pixels = np.array(opened.convert("RGB"))
    except (FFmpegError, StopIteration) as error:
        raise NotAVideoError(
            f"{image.path.name}: this image cannot be read; copy it again"
        ) from error
    return _turn_upright(pixels, image.orientation)


def _turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply the EXIF orientation 1..8."""
    mirrored = pixels[:, ::-1] if orientation in (2, 4, 5, 7) else pixels
    quarter_turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(mirrored, quarter_turns))  # type: ignore[return-value]
