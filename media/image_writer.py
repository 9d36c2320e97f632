"""Write frames as still images, under the names of the images they came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from media.deep_images import write_deep_png, write_deep_tiff
from media.errors import EncodeError, MediaError, OutputFormatError, OutputFullError
from media.frame import FrameSink, Pixels
from media.images import IMAGE_SUFFIXES, ImageReader
from media.publish import FULL_DISK_ERRNOS, PartialOutput

SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    # Visually lossless, with the colour at full resolution.
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95, "method": 4},
    "PNG": {},
    "TIFF": {"compression": "tiff_deflate"},
    "BMP": {},
}


class ImageWriter(FrameSink):
    """Images out: one file for a single image, a folder with the same names for a folder.

    16-bit images stay 16-bit in PNG and TIFF. ICC profiles are kept, EXIF data too, except in
    16-bit files. The folder appears whole, at the end.
    """

    def __init__(self, path: Path, source: ImageReader, width_px: int, height_px: int) -> None:
        self.path, self.width_px, self.height_px = path, width_px, height_px
        self._source = source
        self._is_folder = source.path.is_dir()
        if not self._is_folder and path.suffix.lower() not in IMAGE_SUFFIXES:
            raise OutputFormatError(
                f"{path.name}: an image is written as one of {', '.join(IMAGE_SUFFIXES)}; "
                "choose one of these endings"
            )
        self._partial = PartialOutput(path, source.path, is_folder=self._is_folder)
        self._count = 0
        self._is_done = False

    def write(self, pixels: Pixels, pts: int, duration: int = 0) -> None:
        """Write one (H, W, 3) RGB picture, uint8 or uint16; pts is the image's number."""
        if pixels.shape != (self.height_px, self.width_px, 3):
            raise ValueError(f"expected {self.width_px}x{self.height_px} RGB, got {pixels.shape}")
        if pts != self._count:
            raise ValueError(f"expected image {self._count}, got {pts}")
        image = self._source.images[pts]
        name = image.path.name if self._is_folder else self.path.name
        target = self._partial.path / name if self._is_folder else self._partial.path
        kind = IMAGE_SUFFIXES[Path(name).suffix.lower()]
        try:
            if image.bit_depth == 16 and pixels.dtype == np.uint16 and kind in ("PNG", "TIFF"):
                write = write_deep_png if kind == "PNG" else write_deep_tiff
                write(target, pixels.astype(np.uint16, copy=False), image.icc_profile)
            else:
                if pixels.dtype == np.uint16:
                    pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
                extra = {"icc_profile": image.icc_profile, "exif": image.exif}
                options = SAVE_OPTIONS[kind] | {k: v for k, v in extra.items() if v}
                Image.fromarray(pixels).save(target, format=kind, **options)
        except OSError as error:
            raise self._failure(error) from error
        self._count += 1

    def commit(self) -> None:
        """Publish; raises `EncodeError` unless every image of the source was written."""
        if self._is_done:
            return
        try:
            if self._count != len(self._source.images):
                raise EncodeError(
                    f"{self.path.name}: {self._count} of {len(self._source.images)} images were "
                    "written; nothing is published"
                )
            self._partial.publish()
        except BaseException:
            self.abort()
            raise
        self._is_done = True

    def abort(self) -> None:
        """Remove every trace; more than once, or after `commit`, does no harm."""
        if not self._is_done:
            self._partial.discard()
            self._is_done = True

    def _failure(self, error: OSError) -> MediaError:
        if error.errno in FULL_DISK_ERRNOS:
            return OutputFullError(
                f"{self.path}: the disk is full or a size limit is reached; free some space"
            )
        return EncodeError(
            f"{self.path.name}: writing failed after {self._count} images ({error}); "
            "choose another output"
        )
