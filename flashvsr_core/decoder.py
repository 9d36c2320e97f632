"""What both decoders look like to a stream: latents in, frames out, memory passed in."""

from typing import Protocol

import torch
from torch import Tensor, nn


class DecoderMemory:
    """The last inputs that each layer of a decoder needs to go on; empty at a stream's start."""

    def __init__(self) -> None:
        self._past: dict[nn.Module, Tensor] = {}

    def __contains__(self, layer: nn.Module) -> bool:
        return layer in self._past

    def get(self, layer: nn.Module) -> Tensor | None:
        """Return what a layer kept, or None at a stream's start."""
        return self._past.get(layer)

    def __setitem__(self, layer: nn.Module, past: Tensor) -> None:
        # A copy, so that a slice does not keep the whole activation alive.
        self._past[layer] = past.clone()

    @property
    def is_empty(self) -> bool:
        """True until the first latent frame was decoded."""
        return not self._past

    def move(self, device: torch.device) -> None:
        """Move everything kept to another device."""
        self._past = {layer: past.to(device) for layer, past in self._past.items()}


class Decoder(Protocol):
    """The tiny conditional decoder or the Wan VAE decoder."""

    def decode(self, latents: Tensor, low_quality: Tensor, memory: DecoderMemory) -> Tensor:
        """Decode the next latent frames of a stream.

        Args:
            latents: (16, f, H/8, W/8).
            low_quality: (3, T, H, W), RGB in [-1, 1]: the enlarged frames that will come out.
            memory: the stream's; updated in place.

        Returns:
            (3, T, H, W), RGB in about [-1, 1]; T is 4f, less 3 at the start of a stream.

        """
        ...
