"""Pictures between a video's own pixel format and full-range RGB, by libswscale.

libswscale's defaults are fast and off by a few steps; the flags here are its accurate ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.error import BlockingIOError as NotReadyError
from av.error import EOFError as EndError
from av.filter import Graph

from media.color import SCALER_MATRICES, ColorTags
from media.facts import VideoFacts
from media.frame import Pixels

FLAGS = "flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic"

# Chroma samples sit left of the middle in every video codec from MPEG-2 on, and centred in JPEG;
# libswscale assumes centred unless told, which shifts colours by a quarter of a pixel.
CENTERED_CHROMA_CODECS = ("mjpeg", "mpeg1video")

RANGE_NAMES = {"tv": "limited", "pc": "full"}

# libswscale's 16-bit white is not 65535 but where 8-bit (limited range) or the source's own depth
# (full range) lands when shifted up. Measured with grey ramps; tests/media/test_color.py holds it.
DECODED_WHITE_TV = 65283
ENCODED_WHITE = {"tv": 65279, "pc": 65298}

UPRIGHT_FILTERS: dict[int, list[tuple[str, str]]] = {
    0: [],
    90: [("transpose", "clock")],
    180: [("hflip", ""), ("vflip", "")],
    270: [("transpose", "cclock")],
}

Lut = npt.NDArray[np.uint16]


class ToRgb:
    """Turns decoded frames of one size into upright full-range RGB, in order and one for one."""

    def __init__(self, facts: VideoFacts) -> None:
        self._color = facts.resolved_color
        guess = "center" if facts.codec in CENTERED_CHROMA_CODECS else "left"
        self._chroma = facts.chroma_location or guess
        self._bit_depth = facts.bit_depth
        self._upright_filters = UPRIGHT_FILTERS[facts.rotation_degrees] + (
            [("hflip", "")] if facts.is_mirrored else []
        )
        self._graph: Graph | None = None
        self._lut: Lut | None = None
        self._deinterlaces = False
        self._source_format = ""

    def feed(self, frame: av.VideoFrame) -> Iterator[Pixels]:
        """Take one decoded frame; give the pictures that are ready, in order."""
        needs_deinterlacing = frame.interlaced_frame and not self._deinterlaces
        if self._graph is None or needs_deinterlacing or frame.format.name != self._source_format:
            yield from self.flush()
            self._deinterlaces = self._deinterlaces or frame.interlaced_frame
            self._build(frame)
        assert self._graph is not None
        self._graph.vpush(frame)
        yield from self._pull(self._graph)

    def flush(self) -> Iterator[Pixels]:
        """Give the pictures that deinterlacing still holds back."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull(self._graph)
            self._graph = None

    def _build(self, frame: av.VideoFrame) -> None:
        self._source_format = frame.format.name
        # One picture per frame, so that count and timestamps stay; progressive frames pass.
        deinterlace = [("bwdif", "mode=send_frame:deint=interlaced")] if self._deinterlaces else []
        scale = f"in_range={RANGE_NAMES[self._color.range or 'tv']}:out_range=full"
        if not frame.format.is_rgb:
            matrix = SCALER_MATRICES[self._color.matrix or "bt709"]
            scale += f":in_color_matrix={matrix}:in_chroma_loc={self._chroma}"
        target = "rgb24" if self._bit_depth == 8 else "rgb48le"
        self._graph = _graph(
            frame,
            frame.time_base or Fraction(1, 1000),
            [
                *deinterlace,
                ("scale", f"{scale}:{FLAGS}"),
                ("format", f"pix_fmts={target}"),
                *self._upright_filters,
            ],
        )
        self._lut = None
        if self._bit_depth > 8 and not frame.format.is_rgb:
            white = DECODED_WHITE_TV
            if self._color.range == "pc":
                bits = max(part.bits for part in frame.format.components)
                white = (2**bits - 1) << (16 - bits)
            self._lut = _scale_lut(65535 / white)

    def _pull(self, graph: Graph) -> Iterator[Pixels]:
        while True:
            try:
                picture = graph.vpull()
            except (NotReadyError, EndError):
                return
            pixels: Pixels = picture.to_ndarray()  # type: ignore[assignment]
            yield pixels if self._lut is None else self._lut[pixels]


class FromRgb:
    """Turns full-range RGB pictures of one size into frames for an encoder."""

    def __init__(self, pixel_format: str, color: ColorTags, bit_depth: int) -> None:
        self._pixel_format = pixel_format
        self._bit_depth = bit_depth
        color_range = color.range or "tv"
        self._scale = (
            f"in_range=full:out_range={RANGE_NAMES[color_range]}:out_chroma_loc=left:"
            f"out_color_matrix={SCALER_MATRICES[color.matrix or 'bt709']}:{FLAGS}"
        )
        self._lut = _scale_lut(ENCODED_WHITE[color_range] / 65535)
        self._graph: Graph | None = None

    def convert(self, pixels: Pixels, pts: int, time_base: Fraction) -> av.VideoFrame:
        """Convert one (H, W, 3) uint8 or uint16 picture; the depth may differ from the output's."""
        if self._bit_depth == 8 and pixels.dtype == np.uint16:
            # 257 = 65535 / 255; rounded to nearest.
            pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
        if self._bit_depth > 8:
            wide = pixels.astype(np.uint16) * 257 if pixels.dtype == np.uint8 else pixels
            pixels = self._lut[wide]
        source = "rgb24" if pixels.dtype == np.uint8 else "rgb48le"
        packed: Pixels = np.ascontiguousarray(pixels)  # type: ignore[assignment]
        frame = av.VideoFrame.from_ndarray(packed, format=source)
        frame.pts, frame.time_base = pts, time_base
        if self._graph is None:
            chain = [("scale", self._scale), ("format", f"pix_fmts={self._pixel_format}")]
            self._graph = _graph(frame, time_base, chain)
        self._graph.vpush(frame)
        return self._graph.vpull()


def _graph(frame: av.VideoFrame, time_base: Fraction, chain: list[tuple[str, str]]) -> Graph:
    graph = Graph()
    node = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=time_base
    )
    for name, arguments in [*chain, ("buffersink", "")]:
        following = graph.add(name, arguments or None)
        node.link_to(following)
        node = following
    graph.configure()
    return graph


def _scale_lut(factor: float) -> Lut:
    lut: Lut = np.minimum(np.rint(np.arange(65536) * factor), 65535).astype(np.uint16)
    return lut
