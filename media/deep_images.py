"""16-bit RGB as PNG and TIFF, which Pillow cannot write."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

PNG_UP_FILTER = 2
TIFF_SHORT, TIFF_LONG, TIFF_UNDEFINED = 3, 4, 7


def write_deep_png(path: Path, pixels: npt.NDArray[np.uint16], icc_profile: bytes | None) -> None:
    """Write (H, W, 3) uint16 as a 16-bit PNG."""
    height_px, width_px = pixels.shape[:2]
    rows = pixels.astype(">u2").view(np.uint8).reshape(height_px, -1)
    filtered = np.empty((height_px, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = PNG_UP_FILTER
    filtered[0, 1:] = rows[0]
    filtered[1:, 1:] = rows[1:] - rows[:-1]
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(
            _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width_px, height_px, 16, 2, 0, 0, 0))
        )
        if icc_profile:
            file.write(_png_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(icc_profile)))
        file.write(_png_chunk(b"IDAT", zlib.compress(filtered.tobytes())))
        file.write(_png_chunk(b"IEND", b""))


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_deep_tiff(path: Path, pixels: npt.NDArray[np.uint16], icc_profile: bytes | None) -> None:
    """Write (H, W, 3) uint16 as a 16-bit, deflated, single-strip TIFF."""
    height_px, width_px = pixels.shape[:2]
    strip = zlib.compress(pixels.astype("<u2").tobytes())
    profile = icc_profile or b""
    # Header (8), the three bit depths (6 and 2 of padding), profile, strip, directory.
    profile_at, strip_at = 16, 16 + len(profile) + len(profile) % 2
    entries = [
        (256, TIFF_LONG, 1, width_px),
        (257, TIFF_LONG, 1, height_px),
        (258, TIFF_SHORT, 3, 8),
        (259, TIFF_SHORT, 1, 8),  # deflate
        (262, TIFF_SHORT, 1, 2),  # RGB
        (273, TIFF_LONG, 1, strip_at),
        (277, TIFF_SHORT, 1, 3),
        (278, TIFF_LONG, 1, height_px),
        (279, TIFF_LONG, 1, len(strip)),
    ]
    if profile:
        entries.append((34675, TIFF_UNDEFINED, len(profile), profile_at))
    directory_at = strip_at + len(strip) + len(strip) % 2
    with path.open("wb") as file:
        file.write(struct.pack("<2sHI3HH", b"II", 42, directory_at, 16, 16, 16, 0))
        file.write(profile + b"\0" * (len(profile) % 2))
        file.write(strip + b"\0" * (len(strip) % 2))
        file.write(struct.pack("<H", len(entries)))
        for tag, kind, count, value in entries:
            file.write(struct.pack("<HHII", tag, kind, count, value))
        file.write(struct.pack("<I", 0))
