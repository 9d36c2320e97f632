"""Encode clips compactly and well."""

import io
from fractions import Fraction

import numpy as np
import numpy.typing as npt

_NARROW_PX = 128
"""In narrower clips x264's macroblock tree reads memory that was never written, and what it makes
of them depends on what was there before."""


def encode_clip(
    frames: npt.NDArray[np.uint8],
    crf: int,
    rate: Fraction = Fraction(25),
    full_chroma: bool = False,
) -> bytes:
    """Encode (T, H, W, 3) RGB as H.264 in Matroska; sides are even unless `full_chroma`."""
    import av

    buffer = io.BytesIO()
    # Without this Matroska numbers its tracks at random.
    exact = {"fflags": "+bitexact"}
    with av.open(buffer, "w", format="matroska", options=exact) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p" if full_chroma else "yuv420p"
        stream.options = {"crf": str(crf), "preset": "slow"}
        if stream.width < _NARROW_PX:
            stream.options |= {"x264-params": "no-mbtree=1"}
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()
