"""When the fused kernels run: on an NVIDIA GPU with Triton, unless they are switched off."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

_wanted: ContextVar[bool] = ContextVar("fused kernels wanted", default=True)


def is_fused(x: Tensor) -> bool:
    """Return whether fused kernels serve this tensor."""
    return x.is_cuda and _wanted.get() and _has_triton()


def runs_on_hopper(x: Tensor) -> bool:
    """Return whether kernels serve this tensor that were measured on Hopper alone."""
    return (
        is_fused(x)
        and x.dtype == torch.bfloat16
        and torch.cuda.get_device_capability(x.device)[0] >= 9
    )


@contextmanager
def without_fusing() -> Iterator[None]:
    """Run plain torch operations inside, also on a GPU; to compare, and to find faults."""
    token = _wanted.set(False)
    try:
        yield
    finally:
        _wanted.reset(token)


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
