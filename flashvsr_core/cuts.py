"""Where a film's scenes begin, seen from frames alone and without looking ahead."""

from collections import deque
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

_SHOWN = (18, 32)
"""Rows and columns that a frame is reduced to: what is compared is a picture's layout."""
_READ_ROWS = 180
"""Frames with more than this are read in part; the rest would change nothing."""
_LIKENESS = 0.4
"""Correlation of two frames, their mean colours left out. In 2,012 frames of seven films it is
0.23 at most at cuts and 0.57 at least elsewhere (docs/decisions/0068)."""
_LEAST_LEVELS = 8
"""A change below this, of 255 levels, is no cut: dark frames are alike in nothing but darkness."""
_TIMES_USUAL = 2
"""How many times its scene's usual change a cut is; what flickers all the time has no cuts."""
_LEAST_FRAMES = 8
"""A scene is not left before this: starting anew costs as much as a few chunks."""
_BLANK_LEVELS = 3
"""Deviation within a frame that shows nothing. Films begin with such frames, often a single one."""


class CutDetector:
    """One video's frames in order."""

    def __init__(self) -> None:
        """Begin with the next frame."""
        self._before: Tensor | None = None
        self._changes: deque[float] = deque(maxlen=_LEAST_FRAMES)

    def begins_scene(self, frame: Tensor) -> bool:
        """Tell whether a scene begins with this frame; the first one of a video begins none.

        Args:
            frame: (H, W, 3), uint8, or uint16 over its full range.

        """
        shown = _reduce(frame)
        before, self._before = self._before, shown
        if before is None:
            return False
        change = float((shown - before).abs().mean())
        usual = sum(self._changes) / max(1, len(self._changes))
        is_cut = (
            (len(self._changes) >= _LEAST_FRAMES - 1 or _is_blank(before))
            and change >= max(_LEAST_LEVELS, _TIMES_USUAL * usual)
            and _likeness(shown, before) < _LIKENESS
        )
        if is_cut:
            self._changes.clear()
        else:
            self._changes.append(change)
        return is_cut


def find_cuts(frames: Iterable[Tensor]) -> list[int]:
    """Return the numbers of frames (H, W, 3) with which a scene begins, 0 left out."""
    detector = CutDetector()
    return [index for index, frame in enumerate(frames) if detector.begins_scene(frame)]


def _reduce(frame: Tensor) -> Tensor:
    """Return (3, *_SHOWN) in 8-bit levels."""
    step = max(1, frame.shape[0] // _READ_ROWS)
    peak = 255 if frame.dtype == torch.uint8 else 65535
    shown = F.adaptive_avg_pool2d(frame[::step, ::step].movedim(-1, 0).float(), _SHOWN)
    return shown * (255 / peak)


def _is_blank(shown: Tensor) -> bool:
    return bool(shown.std(dim=(1, 2)).max() < _BLANK_LEVELS)


def _likeness(one: Tensor, other: Tensor) -> float:
    """Return the correlation of two (3, h, w), each colour's mean left out."""
    a, b = (x - x.mean(dim=(1, 2), keepdim=True) for x in (one, other))
    return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt().clamp(min=1e-6))
