"""One frame of a clip, enlarged by several methods, beside its ground truth."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from evaluation.clips import Frames
from evaluation.errors import EvaluationDataError
from evaluation.methods import Method
from evaluation.metrics.fidelity import Psnr
from training.data.named import DegradationName, degrade

SCALE = 4
FRAMES_AFTER = 8
"""A chunk: how far behind the frame the clip is read."""
GAP_PX, LABEL_PX, FONT_PX, LINE_PX = 8, 38, 22, 2
INK, PAPER, MARK = (30, 30, 30), (255, 255, 255), (230, 60, 40)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Crop:
    """The part of the frame that is shown larger, in pixels of the ground truth."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> "Crop":
        """Read WIDTHxHEIGHT+LEFT+TOP, or raise `EvaluationDataError`."""
        match = re.fullmatch(r"(\d+)x(\d+)\+(\d+)\+(\d+)", text)
        if match is None:
            raise EvaluationDataError(f"'{text}' is no crop; write WIDTHxHEIGHT+LEFT+TOP")
        width, height, left, top = (int(group) for group in match.groups())
        return cls(left, top, width, height)

    def of(self, pixels: Pixels) -> Pixels:
        """Cut it out of (H, W, 3), or raise `EvaluationDataError` where it sticks out."""
        height, width = pixels.shape[:2]
        is_inside = self.left + self.width <= width and self.top + self.height <= height
        if not is_inside or not self.width or not self.height:
            raise EvaluationDataError(
                f"The crop does not lie inside the frame of {width}x{height}; choose another one"
            )
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Panel:
    """One way to get the frame, (H, W, 3), and what stands above it."""

    label: str
    pixels: Pixels


def make_panels(
    truth: Frames,
    frame: int,
    clip_name: str,
    degradation: DegradationName,
    methods: Sequence[Method],
) -> list[Panel]:
    """Reduce a clip by 4, enlarge it by every method, and take one frame of each.

    Args:
        truth: (T, H, W, 3).
        frame: which of the T frames.
        clip_name: what the draw of the degradation hangs on, besides its name.
        degradation: a name of `training.data.named`.
        methods: from left to right.

    Returns:
        A panel for each method, with the frame's PSNR, and the ground truth as the last one.

    Raises:
        EvaluationDataError: there is no such frame.

    """
    if not 0 <= frame < len(truth):
        raise EvaluationDataError(
            f"The clip has no frame {frame}; choose from 0 to {len(truth) - 1}"
        )
    height, width = (side // SCALE * SCALE for side in truth.shape[1:3])
    truth = np.ascontiguousarray(truth[:, :height, :width])
    low = degrade(truth, degradation, SCALE, clip_name)
    panels = []
    for method in methods:
        pixels = method.enlarge(low, SCALE)[frame]
        quality_db = Psnr().measure(pixels[None], truth[frame][None])
        panels.append(Panel(f"{method.name}, {quality_db:.1f} dB", pixels))
    return [*panels, Panel("ground truth", truth[frame])]


def compose(panels: Sequence[Panel], crop: Crop, zoom: int) -> Image.Image:
    """Set panels side by side: label, enlarged detail, and the whole frame where it is marked.

    Args:
        panels: all of one size.
        crop: the detail.
        zoom: pixels across that become of one pixel of the detail.

    Raises:
        EvaluationDataError: the crop does not lie inside the frame.

    """
    height, width = panels[0].pixels.shape[:2]
    detail = (crop.width * zoom, crop.height * zoom)
    shrink = detail[0] / width
    whole = (detail[0], round(height * shrink))
    below = LABEL_PX + detail[1] + GAP_PX
    size = (len(panels) * (detail[0] + GAP_PX) + GAP_PX, below + whole[1] + GAP_PX)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_PX)
    for index, panel in enumerate(panels):
        left = GAP_PX + index * (detail[0] + GAP_PX)
        draw.text((left, GAP_PX), panel.label, INK, font)
        # Neighbours, not a filter: nothing is shown that is not in the frame.
        cut = Image.fromarray(np.ascontiguousarray(crop.of(panel.pixels)))
        sheet.paste(cut.resize(detail, Image.Resampling.NEAREST), (left, LABEL_PX))
        shown = Image.fromarray(panel.pixels).resize(whole, Image.Resampling.LANCZOS)
        sheet.paste(shown, (left, below))
        corner = (left + crop.left * shrink, below + crop.top * shrink)
        opposite = (corner[0] + crop.width * shrink - 1, corner[1] + crop.height * shrink - 1)
        draw.rectangle((corner, opposite), outline=MARK, width=LINE_PX)
    return sheet
