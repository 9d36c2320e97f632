"""A frame, and the two shapes every reader and every writer has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""(H, W, 3) full-range RGB: uint8, or uint16 over the whole 0..65535."""


@dataclass(frozen=True)
class Frame:
    """One upright picture and the moment it is shown.

    pixels: (H, W, 3) RGB, uint8 for 8-bit sources, uint16 (0..65535) for deeper ones.
    pts: presentation time in units of `time_base` seconds; strictly increasing.
    duration: in units of `time_base`, 0 where the source does not say.
    """

    pixels: Pixels
    pts: int
    time_base: Fraction
    duration: int = 0


class ClosedOnExit:
    """Something whose `with` block closes it at its end."""

    def close(self) -> None:
        """Close; more than once does no harm."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class FrameSource(Protocol):
    """Something that gives frames in order: a video, an image, a folder of images.

    It is a context manager and can be iterated once.
    """

    @property
    def path(self) -> Path:
        """The file or folder that is read."""

    @property
    def width_px(self) -> int:
        """Width of the upright picture."""

    @property
    def height_px(self) -> int:
        """Height of the upright picture."""

    @property
    def bit_depth(self) -> int:
        """8, or 10 or 16 where pixels are uint16."""

    @property
    def frame_count(self) -> int | None:
        """Number of frames as far as it is known beforehand."""

    def __iter__(self) -> Iterator[Frame]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def close(self) -> None:
        """Close the source; more than once does no harm."""


class FrameSink(Protocol):
    """Something that takes frames in order; inherit from it.

    Leaving its `with` block publishes the output; leaving it by an exception removes every trace.
    """

    def write(self, pixels: Pixels, pts: int, duration: int = 0) -> None:
        """Add one (H, W, 3) RGB picture; pts and duration in the source's time base."""

    def commit(self) -> None:
        """Finish and publish."""

    def abort(self) -> None:
        """Stop and remove every trace."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.commit()
        else:
            self.abort()
