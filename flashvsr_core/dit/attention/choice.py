"""Choose an attention backend by name, or by what the machine has."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor

from flashvsr_core.errors import AttentionUnavailableError


class Attend(Protocol):
    """Softmax attention inside the kept blocks of 128 x 128 tokens."""

    def __call__(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, blocks: Tensor | None = None
    ) -> Tensor:
        """Attend.

        Args:
            q: (L_q, K, 128).
            k: (L_k, K, 128).
            v: (L_k, K, 128).
            mask: (K, L_q / 128, columns) bool, True where a block is kept.
            blocks: (columns,) int32: the block of `k` that each column stands for; None is the
                column itself, for all L_k / 128 blocks. Only where `AttentionBackend.scattered`.

        Returns:
            (L_q, K, 128) in q's dtype; 0 where a query block keeps no key block.

        """
        ...


@dataclass(frozen=True)
class AttentionBackend:
    """One way to attend."""

    name: str
    attend: Attend
    scattered: bool
    """Whether the key blocks may lie anywhere in `k`, as `blocks` says."""


@dataclass(frozen=True)
class _Entry:
    runs: Callable[[torch.device], bool]
    load: Callable[[], Attend]
    scattered: bool


def _load_flash_attn_4() -> Attend:
    from flashvsr_core.dit.attention.flash_attn_4 import attend

    return attend


def _load_block_sparse_attn() -> Attend:
    from flashvsr_core.dit.attention.block_sparse import attend

    return attend


def _load_triton() -> Attend:
    from flashvsr_core.dit.attention.triton_kernel import attend

    return attend


def _load_flex() -> Attend:
    from flashvsr_core.dit.attention.flex import attend

    return attend


def _load_reference() -> Attend:
    from flashvsr_core.dit.attention.reference import attend

    return attend


def _flash_attn_4_runs(device: torch.device) -> bool:
    # Its block-sparse forward was measured on Hopper; the package supports other chips less.
    return device.type == "cuda" and _capability(device)[0] == 9 and _has("flash_attn.cute")


def _block_sparse_attn_runs(device: torch.device) -> bool:
    return device.type == "cuda" and _has("block_sparse_attn")


def _triton_runs(device: torch.device) -> bool:
    return device.type == "cuda" and _capability(device) >= (8, 0) and _has("triton")


def _flex_runs(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")


def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is not there
        return False


# In order of preference on a GPU.
_BACKENDS = {
    "flash_attn_4": _Entry(_flash_attn_4_runs, _load_flash_attn_4, scattered=True),
    "block_sparse_attn": _Entry(_block_sparse_attn_runs, _load_block_sparse_attn, scattered=False),
    "triton": _Entry(_triton_runs, _load_triton, scattered=True),
    "flex": _Entry(_flex_runs, _load_flex, scattered=False),
    "reference": _Entry(lambda _device: True, _load_reference, scattered=True),
}

BACKEND_NAMES = tuple(_BACKENDS)


def available_backends(device: torch.device) -> list[str]:
    """Return the names of the backends that run on this device, the preferred one first."""
    names = [name for name, entry in _BACKENDS.items() if entry.runs(device)]
    # Without a GPU FlexAttention has no compiled sparse kernel; the reference is faster there.
    return names if device.type == "cuda" else sorted(names, key=lambda name: name != "reference")


def choose_backend(name: str, device: torch.device) -> AttentionBackend:
    """Load a backend by name; `auto` takes the preferred one of this device.

    Raises:
        AttentionUnavailableError: the name is unknown or that backend does not run here.

    """
    available = available_backends(device)
    if name == "auto":
        name = available[0]
    if name not in available:
        raise AttentionUnavailableError(
            f"Attention backend '{name}' does not run here; choose one of: {', '.join(available)}."
        )
    entry = _BACKENDS[name]
    return AttentionBackend(name, entry.load(), entry.scattered)
