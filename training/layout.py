"""Which channels of the tiny decoder carry what of its low-quality frames."""

from dataclasses import dataclass

from flashvsr_core.schedule import FRAMES_PER_LATENT
from training.position_code import CODED_CHANNELS

COLORS = 3
PARTS = 4
"""Sums and differences, down and across; of color u and r."""


@dataclass(frozen=True)
class Layout:
    """Where channels begin after an enlargement: as many planes of luma, and of both chromas."""

    luma: int
    chroma: int

    @property
    def drawn(self) -> range:
        """Luma as it will be drawn."""
        return range(self.luma)

    @property
    def colors(self) -> range:
        """Both chromas, as they will be drawn."""
        return range(self.luma, self.luma + self.chroma)

    @property
    def across(self) -> range:
        """Differences across, of luma."""
        return range(self.colors.stop, self.colors.stop + self.luma)

    @property
    def halves(self) -> range:
        """Whether a pixel is in the first half, down and across: the code of this size."""
        return range(self.across.stop, self.across.stop + CODED_CHANNELS)

    @property
    def code(self) -> range:
        """The code of the size before, of a pixel and of the one before it, down and across."""
        return range(self.halves.stop, self.halves.stop + 2 * CODED_CHANNELS)

    @property
    def down(self) -> range:
        """Differences down, of luma."""
        return range(self.code.stop, self.code.stop + self.luma)

    @property
    def both(self) -> range:
        """Differences down of differences across."""
        return range(self.down.stop, self.down.stop + self.luma)

    @property
    def one(self) -> int:
        """1, everywhere: layers without a bias take offsets away with it."""
        return self.both.stop

    @property
    def width(self) -> int:
        """How many there are."""
        return self.one + 1


QUARTER = Layout(PARTS * FRAMES_PER_LATENT, 2 * FRAMES_PER_LATENT)
HALF = Layout(2, 4)
"""At a quarter of the size all frames of a latent and their parts, at half of it two frames."""

PART_OFFSET, FRAME_OFFSET = 1.0, 1.5
"""Added to u and r, and to frames in [-1, 1] and their differences: nothing below 0 gets through a
ReLU."""
