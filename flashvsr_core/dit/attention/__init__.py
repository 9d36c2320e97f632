"""Block-sparse attention: one call, several kernels, chosen once when the model is loaded.

Every backend computes the exact softmax inside the kept blocks and gives 0 for a query block that
keeps none. Dense attention is not among them: it is another function, and visibly worse.
"""

from flashvsr_core.dit.attention.choice import (
    BACKEND_NAMES,
    Attend,
    AttentionBackend,
    available_backends,
    choose_backend,
)

__all__ = ["BACKEND_NAMES", "Attend", "AttentionBackend", "available_backends", "choose_backend"]
