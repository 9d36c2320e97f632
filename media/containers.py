"""Which containers are opened, and how: by content, never by name, and never following a link.

FFmpeg happily opens a playlist that is named `.mp4` and reads the files and addresses that it
lists. Both whitelists below go into every call that opens an input.
"""

from __future__ import annotations

from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

READABLE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"

INPUT_OPTIONS = {"format_whitelist": READABLE_FORMATS, "protocol_whitelist": "file"}

TAG_ERRORS = "surrogateescape"

WRITABLE_FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
"""File name ending -> FFmpeg muxer."""


def open_input(path: Path, hwaccel: HWAccel | None = None) -> InputContainer:
    """Open a file under the whitelists; raises PyAV's own errors.

    Tags that are not UTF-8, as old AVI files have, pass through byte for byte.
    """
    return av.open(
        file_url(path),
        "r",
        container_options=INPUT_OPTIONS,
        metadata_errors=TAG_ERRORS,
        hwaccel=hwaccel,
    )


def file_url(path: Path) -> str:
    """Name a file so that FFmpeg can only take it for a file.

    The prefix and the absolute path disarm names such as `-i.mp4`, `concat:a|b` or `http:x.mp4`.
    """
    return f"file:{path.absolute()}"
