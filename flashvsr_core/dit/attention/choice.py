"""Choose an attention backend by name, or by what the machine has."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor

from flashvsr_core.errors import AttentionUnavailableError


class AttentionBackend(Protocol):
    """Softmax attention inside the kept blocks of 128 x 128 tokens."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """Attend.

        Args:
            q: (L_q, K, 128).
            k: (L_k, K, 128).
            v: (L_k, K, 128).
            mask: (K, L_q / 128, L_k / 128) bool, True where a block is kept.

        Returns:
            (L_q, K, 128) in q's dtype; 0 where a query block keeps no key block.

        """
        ...


def _load_reference() -> AttentionBackend:
    from flashvsr_core.dit.attention.reference import attend

    return attend


def _load_flex() -> AttentionBackend:
    from flashvsr_core.dit.attention.flex import attend

    return attend


def _load_block_sparse_attn() -> AttentionBackend:
    from flashvsr_core.dit.attention.block_sparse import attend

    return attend


def _flex_runs(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")


def _block_sparse_attn_runs(device: torch.device) -> bool:
    return device.type == "cuda" and find_spec("block_sparse_attn") is not None


# In order of preference on a GPU; name -> (does it run there, how to load it).
_BACKENDS: dict[str, tuple[Callable[[torch.device], bool], Callable[[], AttentionBackend]]] = {
    "block_sparse_attn": (_block_sparse_attn_runs, _load_block_sparse_attn),
    "flex": (_flex_runs, _load_flex),
    "reference": (lambda _device: True, _load_reference),
}

BACKEND_NAMES = tuple(_BACKENDS)


def available_backends(device: torch.device) -> list[str]:
    """Return the names of the backends that run on this device, the preferred one first."""
    names = [name for name, (runs, _) in _BACKENDS.items() if runs(device)]
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
    return _BACKENDS[name][1]()
