"""Rounding as torch's `round` does it, which Triton's language lacks."""

import triton
import triton.language as tl

_SHIFT = tl.constexpr(8388608.0)
"""2 ** 23: float32 values above it are integers."""


@triton.jit
def round_even(x):
    """Round float32 values from 0 to 2 ** 22 to the next integer, halves to even ones."""
    return (x + _SHIFT) - _SHIFT
