"""Turn ffprobe's JSON into `VideoFacts`."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av

from media.color import MATRIX_NUMBERS, ColorTags, ContentLight, MasteringDisplay
from media.errors import (
    ColorNotSupportedError,
    NotAVideoError,
    NoVideoStreamError,
    RotationNotSupportedError,
    TooLargeError,
)
from media.facts import StreamFacts, VideoFacts

Json = dict[str, Any]

CHROMA_LOCATIONS = ("left", "center", "topleft", "top", "bottomleft", "bottom")

# The upper left of the display matrix (a b / c d) -> clockwise degrees, mirrored afterwards.
ORIENTATIONS = {
    (1, 0, 0, 1): (0, False),
    (0, 1, -1, 0): (90, False),
    (-1, 0, 0, -1): (180, False),
    (0, -1, 1, 0): (270, False),
    (-1, 0, 0, 1): (0, True),
    (0, 1, 1, 0): (90, True),
    (1, 0, 0, -1): (180, True),
    (0, -1, -1, 0): (270, True),
}


def read_report(path: Path, answer: Json, size_bytes: int, max_frame_pixels: int) -> VideoFacts:
    """Build the facts of `path` from the probe child's answer."""
    report: Json = answer["report"]
    streams: list[Json] = report.get("streams", [])
    video = next((stream for stream in streams if _is_picture(stream)), None)
    if video is None:
        raise NoVideoStreamError(
            f"{path.name}: there is no video stream in this file; give a file with a picture"
        )
    width_px, height_px = int(video.get("width", 0)), int(video.get("height", 0))
    # First of all: beyond a certain size FFmpeg itself gives up and reports no pixel format.
    if width_px * height_px > max_frame_pixels:
        raise TooLargeError(
            f"{path.name}: a frame of {width_px}x{height_px} is beyond the limit of "
            f"{max_frame_pixels} pixels; scale the video down first"
        )
    if not (width_px and height_px and video.get("pix_fmt")):
        raise NotAVideoError(
            f"{path.name}: the video's size or pixel format is missing or absurd; "
            "check that it plays, and copy it again"
        )
    container = str(report["format"]["format_name"])
    duration_s = (
        _number(video.get("duration"))
        or _clock_time(_tag(video, "DURATION"))
        or _number(report["format"].get("duration"))
    )
    average_rate = _fraction(video.get("avg_frame_rate"))
    frame_count, is_estimate = _frame_count(video, container, duration_s, average_rate)
    if frame_count == 0:
        raise NoVideoStreamError(
            f"{path.name}: the video stream holds no frame; give a file with a picture"
        )
    rotation_degrees, is_mirrored = _orientation(path, video)
    aspect = _fraction(str(video.get("sample_aspect_ratio", "")).replace(":", "/")) or Fraction(1)
    is_sideways = rotation_degrees in (90, 270)
    pixel_format = av.VideoFormat(video["pix_fmt"])
    others = [_stream_facts(stream) for stream in streams if stream is not video]
    mastering, light = _hdr_metadata(video, answer.get("frame"))
    return VideoFacts(
        path=path,
        container=container,
        codec=str(video.get("codec_name", "unknown")),
        stream_index=int(video["index"]),
        width_px=height_px if is_sideways else width_px,
        height_px=width_px if is_sideways else height_px,
        coded_width_px=max(width_px, int(video.get("coded_width", 0))),
        coded_height_px=max(height_px, int(video.get("coded_height", 0))),
        rotation_degrees=rotation_degrees,
        is_mirrored=is_mirrored,
        sample_aspect_ratio=1 / aspect if is_sideways else aspect,
        frame_count=frame_count,
        frame_count_is_estimate=is_estimate,
        duration_s=duration_s,
        average_rate=average_rate,
        time_base=Fraction(video["time_base"]),
        bit_depth=8 if max(part.bits for part in pixel_format.components) <= 8 else 10,
        pixel_format=pixel_format.name,
        chroma_location=_chroma_location(video),
        color=_color(path, video, pixel_format),
        mastering_display=mastering,
        content_light=light,
        is_interlaced=video.get("field_order") in ("tt", "bb", "tb", "bt"),
        has_alpha=any(part.is_alpha for part in pixel_format.components)
        or pixel_format.has_palette
        # VP8 and VP9 keep alpha beside the picture, where the pixel format does not show it.
        or _tag(video, "alpha_mode") == "1",
        audio=tuple(stream for stream in others if stream.kind == "audio"),
        subtitles=tuple(stream for stream in others if stream.kind == "subtitle"),
        other_streams=tuple(s for s in others if s.kind not in ("audio", "subtitle")),
        chapter_count=len(report.get("chapters", [])),
        size_bytes=size_bytes,
    )


def _is_picture(stream: Json) -> bool:
    disposition: Json = stream.get("disposition", {})
    is_cover = disposition.get("attached_pic") or disposition.get("timed_thumbnails")
    return stream.get("codec_type") == "video" and not is_cover


def _stream_facts(stream: Json) -> StreamFacts:
    tag = str(stream.get("codec_tag_string", "unknown"))
    # A data track has no codec, and its four-letter tag says what it is: tmcd, gpmd, text.
    is_data = stream.get("codec_type") == "data"
    return StreamFacts(
        index=int(stream["index"]),
        kind=str(stream.get("codec_type", "unknown")),
        codec=tag if is_data else str(stream.get("codec_name", tag)),
        language=_tag(stream, "language"),
        title=_tag(stream, "title"),
        channels=int(stream["channels"]) if "channels" in stream else None,
        sample_rate_hz=int(stream["sample_rate"]) if "sample_rate" in stream else None,
    )


def _frame_count(
    video: Json, container: str, duration_s: float | None, average_rate: Fraction | None
) -> tuple[int | None, bool]:
    # AVI counts chunks, some of which may be empty; mkvmerge writes statistics that a few tools
    # copy on without recounting.
    stated = (
        video.get("nb_frames")
        or _tag(video, "NUMBER_OF_FRAMES")
        or _tag(video, "NUMBER_OF_FRAMES-eng")
    )
    if stated is not None and str(stated).isdigit():
        return int(stated), not container.startswith("mov")
    if container.startswith("mov"):
        # ffprobe leaves nb_frames out where it is 0, but a fragmented file never has one.
        return (None if duration_s else 0), False
    if duration_s and average_rate:
        return max(1, round(duration_s * average_rate)), True
    return None, True


def _orientation(path: Path, video: Json) -> tuple[int, bool]:
    for side_data in video.get("side_data_list", []):
        if side_data.get("side_data_type") == "Display Matrix":
            rows = re.findall(r"-?\d+", re.sub(r"\d{8}:", "", side_data["displaymatrix"]))
            a, b, _, c, d = (round(int(number) / 65536) for number in rows[:5])
            if (a, b, c, d) not in ORIENTATIONS:
                raise RotationNotSupportedError(
                    f"{path.name}: rotated by {side_data.get('rotation')} degrees; "
                    "turn it to a multiple of 90 first"
                )
            return ORIENTATIONS[a, b, c, d]
    return 0, False


def _color(path: Path, video: Json, pixel_format: av.VideoFormat) -> ColorTags:
    def tag(name: str) -> str | None:
        value = video.get(name)
        return None if value in (None, "unknown", "reserved", "unspecified") else str(value)

    matrix, range_name = tag("color_space"), tag("color_range")
    if pixel_format.is_rgb:
        # RGB has no matrix; full range unless it says otherwise.
        matrix, range_name = "gbr", range_name or "pc"
    elif pixel_format.name.startswith("gray"):
        # FFmpeg takes every grey picture for full range, whatever its tag says.
        matrix, range_name = None, "pc"
    elif matrix == "gbr":
        matrix = None
    if matrix is not None and matrix not in MATRIX_NUMBERS:
        raise ColorNotSupportedError(
            f"{path.name}: the colour matrix {matrix} is not supported; convert it to bt709 first"
        )
    if pixel_format.name.startswith("yuvj"):
        range_name = "pc"
    color_range: Literal["tv", "pc"] | None = None
    if range_name in ("tv", "pc"):
        color_range = "tv" if range_name == "tv" else "pc"
    return ColorTags(matrix, color_range, tag("color_primaries"), tag("color_transfer"))


def _hdr_metadata(
    video: Json, frame_report: Json | None
) -> tuple[MasteringDisplay | None, ContentLight | None]:
    frames: list[Json] = (frame_report or {}).get("frames", [])
    entries: list[Json] = list(video.get("side_data_list", []))
    for frame in frames[:1]:
        entries += frame.get("side_data_list", [])
    mastering, light = None, None
    for entry in entries:
        if entry.get("side_data_type") == "Mastering display metadata" and "red_x" in entry:

            def point(name: str, entry: Json = entry) -> tuple[int, int]:
                x, y = Fraction(entry[f"{name}_x"]), Fraction(entry[f"{name}_y"])
                return round(x * 50000), round(y * 50000)

            mastering = MasteringDisplay(
                green=point("green"),
                blue=point("blue"),
                red=point("red"),
                white=point("white_point"),
                min_luminance=round(Fraction(entry["min_luminance"]) * 10000),
                max_luminance=round(Fraction(entry["max_luminance"]) * 10000),
            )
        if entry.get("side_data_type") == "Content light level metadata":
            light = ContentLight(int(entry["max_content"]), int(entry["max_average"]))
    return mastering, light


def _tag(stream: Json, name: str) -> str | None:
    tags: Json = stream.get("tags", {})
    for key in (name, name.upper()):
        if key in tags:
            return str(tags[key])
    return None


def _number(text: str | None) -> float | None:
    return float(text) if text not in (None, "N/A") else None


def _clock_time(text: str | None) -> float | None:
    """Read Matroska's "01:02:03.500000000" as seconds."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", text or "")
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def _chroma_location(video: Json) -> str | None:
    location = video.get("chroma_location")
    return str(location) if location in CHROMA_LOCATIONS else None


def _fraction(text: str | None) -> Fraction | None:
    if not text or not re.fullmatch(r"\d+/[1-9]\d*", text):
        return None
    return Fraction(text) or None
