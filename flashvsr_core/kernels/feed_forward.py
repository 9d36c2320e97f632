"""A linear layer followed by GELU, in one matrix product where the library can."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashvsr_core.kernels.fusing import is_fused


def gelu_linear(x: Tensor, layer: nn.Linear) -> Tensor:
    """Return GELU, by its tanh formula, of `layer` applied to (L, D)."""
    if is_fused(x):
        # cuBLAS applies bias and GELU to its float32 sums: the hidden layer is written once.
        out: Tensor = torch._addmm_activation(layer.bias, x, layer.weight.t(), use_gelu=True)
        return out
    return F.gelu(layer(x), approximate="tanh")
