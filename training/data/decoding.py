"""Decode stored pictures and videos, with whatever decoder the machine has.

Machines that only train may lack PyAV; OpenCV's own decoder serves there as well.
"""

import io
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Frames = npt.NDArray[np.uint8]
"""(T, H, W, 3) RGB."""


def decode_picture(content: bytes) -> npt.NDArray[np.uint8]:
    """Decode an image file's bytes to (H, W, 3) RGB."""
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


def decode_video(content: bytes, suffix: str) -> Frames:
    """Decode a video file's bytes to (T, H, W, 3) RGB.

    Raises:
        ModuleNotFoundError: neither PyAV nor OpenCV is installed.
        ValueError: the content holds no frame that can be read.

    """
    try:
        import av  # noqa: F401
    except ModuleNotFoundError:
        frames = _decode_with_opencv(content, suffix)
    else:
        frames = _decode_with_av(content)
    if not frames:
        raise ValueError("A packed clip could not be decoded; pack the training set again.")
    return np.stack(frames)


def _decode_with_av(content: bytes) -> list[npt.NDArray[np.uint8]]:
    import av

    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in container.decode(stream)
        ]


def _decode_with_opencv(content: bytes, suffix: str) -> list[npt.NDArray[np.uint8]]:
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip{suffix}"
        path.write_bytes(content)
        capture = cv2.VideoCapture(str(path))
        frames: list[npt.NDArray[np.uint8]] = []
        while True:
            is_good, picture = capture.read()
            if not is_good:
                break
            frames.append(np.ascontiguousarray(picture[..., ::-1], np.uint8))
        capture.release()
        return frames
