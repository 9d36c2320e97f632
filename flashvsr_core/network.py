"""The loaded networks, together: what stays the same from video to video."""

from dataclasses import dataclass

import torch

from flashvsr_core.color import ColorFix
from flashvsr_core.decoder import Decoder
from flashvsr_core.dit.attention import AttentionBackend
from flashvsr_core.dit.model import Conditioning, DiT
from flashvsr_core.lq_projection import LQProjection


@dataclass(frozen=True)
class Network:
    """Weights in `eval` mode on one device, and the attention backend chosen for it."""

    dit: DiT
    conditioning: Conditioning
    lq_projection: LQProjection
    decoder: Decoder
    attention: AttentionBackend
    device: torch.device
    dtype: torch.dtype
    color: ColorFix = "adain"
    """What the weights were made for."""
