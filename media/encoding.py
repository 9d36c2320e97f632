"""Which encoder writes the picture, and with which settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal, cast

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from media.color import ContentLight, MasteringDisplay
from media.errors import EncoderNotAvailableError, EncodingNotSupportedError
from media.facts import VideoFacts
from media.scheduling import kept_scheduling

Codec = Literal["h264", "hevc", "av1"]
Hardware = Literal["auto", "none", "nvenc"]

SOFTWARE = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}

# Upscaled video is an archive copy that gets encoded again later, so the loss must stay far below
# what the eye sees. libx264 keeps up with the fastest GPU at veryfast on 16 cores, at medium not
# (docs/performance.md); the other presets are the encoders' middle ground, not measured.
DEFAULT_CRF = {"h264": 16, "hevc": 18, "av1": 20}
WORST_CRF = {"h264": 51, "hevc": 51, "av1": 63}
DEFAULT_PRESET = {"libx264": "veryfast", "libx265": "medium", "libsvtav1": "8", "nvenc": "p6"}


@dataclass(frozen=True)
class Encoding:
    """How the output picture is compressed.

    crf: constant quality, lower is better; None takes 16 (h264), 18 (hevc) or 20 (av1).
    preset: the encoder's own name for speed against size; None takes a balanced one.
    hardware: "none" gives the same file on every machine; "auto" takes NVENC where it opens.
    threads: 0 lets the encoder decide.
    """

    codec: Codec = "h264"
    bit_depth: Literal[8, 10] = 8
    crf: int | None = None
    preset: str | None = None
    hardware: Hardware = "none"
    threads: int = 0

    def __post_init__(self) -> None:
        if self.codec not in SOFTWARE:
            raise EncodingNotSupportedError(
                f"there is no codec {self.codec!r}; choose h264, hevc or av1"
            )
        if self.bit_depth not in (8, 10):
            raise EncodingNotSupportedError(
                f"{self.bit_depth} bits are not supported; choose 8 or 10"
            )
        if self.crf is not None and not 0 <= self.crf <= WORST_CRF[self.codec]:
            raise EncodingNotSupportedError(
                f"crf {self.crf} is out of range for {self.codec}; "
                f"choose 0 (best) to {WORST_CRF[self.codec]}"
            )


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder that exists on this machine, with its pixel format and options."""

    name: str
    pixel_format: str
    options: dict[str, str]
    threads: int


def choose_encoder(
    encoding: Encoding, width_px: int, height_px: int, facts: VideoFacts
) -> EncoderChoice:
    """Pick the encoder; raise `EncoderNotAvailableError` or `EncodingNotSupportedError`.

    4:2:0 has no odd sizes in H.264 and HEVC, so those are written as 4:4:4, at exactly their size.
    """
    is_odd = width_px % 2 == 1 or height_px % 2 == 1
    if is_odd and encoding.codec == "av1":
        raise EncodingNotSupportedError(
            f"av1 cannot be written at the odd size {width_px}x{height_px}; choose hevc or h264"
        )
    if encoding.codec == "av1":
        # SVT-AV1 otherwise prints its whole configuration to the terminal.
        os.environ.setdefault("SVT_LOG", "1")
    name = _encoder_name(encoding, needs_software=is_odd or facts.mastering_display is not None)
    layout = "yuv444p" if is_odd else "yuv420p"
    if encoding.bit_depth == 8:
        pixel_format = layout
    else:
        pixel_format = "p010le" if name.endswith("nvenc") else f"{layout}10le"
    return EncoderChoice(name, pixel_format, _options(encoding, name, facts), encoding.threads)


def _encoder_name(encoding: Encoding, needs_software: bool) -> str:
    software, nvenc = SOFTWARE[encoding.codec], f"{encoding.codec}_nvenc"
    if encoding.hardware == "none" or (encoding.hardware == "auto" and needs_software):
        name = software
    elif needs_software:
        raise EncodingNotSupportedError(
            "NVENC is not used for odd sizes and HDR10 metadata; choose hardware none or auto"
        )
    elif can_open(nvenc, encoding.bit_depth):
        return nvenc
    elif encoding.hardware == "nvenc":
        raise EncoderNotAvailableError(
            f"{nvenc} does not open on this machine (data-centre GPUs have no encoder); "
            "choose hardware none or auto"
        )
    else:
        name = software
    if not can_open(name, encoding.bit_depth):
        raise EncoderNotAvailableError(
            f"{name} does not open with {encoding.bit_depth} bits here; choose another codec"
        )
    return name


@lru_cache
def can_open(encoder_name: str, bit_depth: int) -> bool:
    """Find out by opening it: that the library has an encoder says nothing about the GPU."""
    try:
        context = cast(VideoCodecContext, av.CodecContext.create(encoder_name, "w"))
        context.width, context.height = 256, 256
        context.time_base = Fraction(1, 25)
        context.framerate = Fraction(25)
        ten = "p010le" if encoder_name.endswith("nvenc") else "yuv420p10le"
        context.pix_fmt = "yuv420p" if bit_depth == 8 else ten
        if encoder_name == "libx265":
            context.options = {"x265-params": "log-level=error"}
        with kept_scheduling():
            context.open()
    except (FFmpegError, ValueError):
        return False
    return True


def _options(encoding: Encoding, name: str, facts: VideoFacts) -> dict[str, str]:
    crf = str(DEFAULT_CRF[encoding.codec] if encoding.crf is None else encoding.crf)
    if name.endswith("nvenc"):
        preset = encoding.preset or DEFAULT_PRESET["nvenc"]
        return {"rc": "vbr", "cq": crf, "preset": preset}
    options = {"crf": crf, "preset": encoding.preset or DEFAULT_PRESET[name]}
    hdr = _hdr_parameters(name, facts.mastering_display, facts.content_light)
    if name == "libx264" and hdr:
        options["x264-params"] = ":".join(hdr)
    if name == "libx265":
        pools = [f"pools={encoding.threads}"] if encoding.threads else []
        options["x265-params"] = ":".join(["log-level=error", *pools, *hdr])
    if name == "libsvtav1":
        lanes = [f"lp={encoding.threads}"] if encoding.threads else []
        if lanes or hdr:
            options["svtav1-params"] = ":".join([*lanes, *hdr])
    return options


def _hdr_parameters(
    name: str, display: MasteringDisplay | None, light: ContentLight | None
) -> list[str]:
    """HDR10 metadata travels inside the picture stream, as each encoder spells it."""
    parameters = []
    if display is not None:
        chroma_unit, light_unit = (50000, 10000) if name == "libsvtav1" else (1, 1)
        points = {"G": display.green, "B": display.blue, "R": display.red, "WP": display.white}
        text = "".join(
            f"{key}({x / chroma_unit:.10g},{y / chroma_unit:.10g})"
            for key, (x, y) in points.items()
        )
        high, low = display.max_luminance / light_unit, display.min_luminance / light_unit
        key = "master-display" if name == "libx265" else "mastering-display"
        parameters.append(f"{key}={text}L({high:.10g},{low:.10g})")
    if light is not None:
        key = {"libx264": "cll", "libx265": "max-cll", "libsvtav1": "content-light"}[name]
        parameters.append(f"{key}={light.max_content},{light.max_average}")
    return parameters
