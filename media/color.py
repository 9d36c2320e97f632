"""Colour tags: what a file says about its colours, and what is assumed where it says nothing.

Names are FFmpeg's (`bt709`, `smpte170m`, `tv`, `pc` …), numbers are those of ITU-T H.273.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

MATRIX_NUMBERS = {
    "gbr": 0,
    "bt709": 1,
    "fcc": 4,
    "bt470bg": 5,
    "smpte170m": 6,
    "smpte240m": 7,
    "bt2020nc": 9,
}
"""Only matrices that convert to RGB exactly; YCgCo, ICtCp and constant luminance are refused."""

PRIMARIES_NUMBERS = {
    "bt709": 1,
    "bt470m": 4,
    "bt470bg": 5,
    "smpte170m": 6,
    "smpte240m": 7,
    "film": 8,
    "bt2020": 9,
    "smpte428": 10,
    "smpte431": 11,
    "smpte432": 12,
    "ebu3213": 22,
}
TRANSFER_NUMBERS = {
    "bt709": 1,
    "gamma22": 4,
    "bt470m": 4,
    "gamma28": 5,
    "bt470bg": 5,
    "smpte170m": 6,
    "smpte240m": 7,
    "linear": 8,
    "log100": 9,
    "log316": 10,
    "iec61966-2-4": 11,
    "bt1361e": 12,
    "iec61966-2-1": 13,
    "bt2020-10": 14,
    "bt2020-12": 15,
    "smpte2084": 16,
    "smpte428": 17,
    "arib-std-b67": 18,
}
UNSPECIFIED = 2

SCALER_MATRICES = {
    "bt709": "bt709",
    "fcc": "fcc",
    "bt470bg": "bt470",
    "smpte170m": "smpte170m",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
}
"""What libswscale calls each matrix."""


@dataclass(frozen=True)
class ColorTags:
    """A video's colour description; None is "unspecified".

    range is "tv" (limited, 16..235) or "pc" (full, 0..255).
    """

    matrix: str | None = None
    range: Literal["tv", "pc"] | None = None
    primaries: str | None = None
    transfer: str | None = None

    def resolved(self, width_px: int, height_px: int) -> ColorTags:
        """Fill in matrix and range as players guess them; primaries and transfer stay.

        Players take BT.601 up to 1024x576 and BT.709 above, and limited range.
        """
        is_sd = width_px <= 1024 and height_px <= 576
        return replace(
            self,
            matrix=self.matrix or ("smpte170m" if is_sd else "bt709"),
            range=self.range or "tv",
        )

    @property
    def matrix_number(self) -> int:
        """The matrix in H.273 numbers."""
        return MATRIX_NUMBERS.get(self.matrix or "", UNSPECIFIED)

    @property
    def primaries_number(self) -> int:
        """The primaries in H.273 numbers."""
        return PRIMARIES_NUMBERS.get(self.primaries or "", UNSPECIFIED)

    @property
    def transfer_number(self) -> int:
        """The transfer function in H.273 numbers."""
        return TRANSFER_NUMBERS.get(self.transfer or "", UNSPECIFIED)


@dataclass(frozen=True)
class MasteringDisplay:
    """HDR10 static metadata, in the units of the H.265 SEI messages.

    Chromaticities (x, y) in 1/50000, luminance in 1/10000 cd/m², light levels in cd/m².
    """

    green: tuple[int, int]
    blue: tuple[int, int]
    red: tuple[int, int]
    white: tuple[int, int]
    min_luminance: int
    max_luminance: int


@dataclass(frozen=True)
class ContentLight:
    """The brightest pixel and the brightest frame average of an HDR programme, in cd/m²."""

    max_content: int
    max_average: int
