"""What is known about a video file before a frame of it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from media.color import ColorTags, ContentLight, MasteringDisplay


@dataclass(frozen=True)
class StreamFacts:
    """A stream that is not the picture: sound, subtitles, data, attachment, cover art."""

    index: int
    kind: str
    codec: str
    language: str | None = None
    title: str | None = None
    channels: int | None = None
    sample_rate_hz: int | None = None


@dataclass(frozen=True)
class VideoFacts:
    """A video file as its header describes it.

    width_px, height_px, sample_aspect_ratio: of the upright picture, after `rotation_degrees`
    (clockwise, 0, 90, 180 or 270) and `is_mirrored` (left and right swapped after the rotation).
    frame_count: what the container says; only duration times rate where `frame_count_is_estimate`;
    None where it says neither.
    bit_depth: 8, or 10 for everything deeper (12-bit sources are delivered as 10).
    color: None in a field means that the file leaves it unspecified.
    """

    path: Path
    container: str
    codec: str
    stream_index: int
    width_px: int
    height_px: int
    coded_width_px: int
    coded_height_px: int
    rotation_degrees: int
    is_mirrored: bool
    sample_aspect_ratio: Fraction
    frame_count: int | None
    frame_count_is_estimate: bool
    duration_s: float | None
    average_rate: Fraction | None
    time_base: Fraction
    bit_depth: int
    pixel_format: str
    chroma_location: str | None
    color: ColorTags
    mastering_display: MasteringDisplay | None
    content_light: ContentLight | None
    is_interlaced: bool
    has_alpha: bool
    audio: tuple[StreamFacts, ...]
    subtitles: tuple[StreamFacts, ...]
    other_streams: tuple[StreamFacts, ...]
    chapter_count: int
    size_bytes: int

    @property
    def resolved_color(self) -> ColorTags:
        """The colour tags with matrix and range filled in as players guess them."""
        return self.color.resolved(self.width_px, self.height_px)

    def as_json(self) -> dict[str, Any]:
        """Give the facts as plain JSON types; fractions become "numerator/denominator"."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:  # noqa: ANN401 - walks a tree of mixed types
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Path):
        return str(value)
    return value
