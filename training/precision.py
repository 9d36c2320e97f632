"""The precision that a part of an objective is computed in, under automatic mixed precision."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def carrying_frames(device: torch.device, *, exact: bool = True) -> Generator[None]:
    """Compute in float32 what carries a picture, where bfloat16 was meant for the rest.

    Numbers between 1 and 2 have steps of one of 255 levels in bfloat16, in every layer, and of an
    eighth in float16 and TF32. In smooth pictures these roundings do not average out: a decoder
    learns to mend what float16 does to them, and is wrong by 0.7 levels in float32. Without
    `exact`, TF32 is used where there is any, twice as fast: for steps that others come after.
    """
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = not exact
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
