"""Low-quality frames to tokens: two strided causal convolutions and a linear layer.

A stream is read in bites: one frame first, then four at a time; every bite but the first gives
one latent frame of tokens. v1 and v1.1 have the same weights' shapes and differ in what stands
before a bite: its own last frames (v1, an accident that was trained in) or the previous bite's
(v1.1, causal). Attributes carry the released checkpoint's parameter names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.kernels.channel_norm import ChannelNorm, norm_silu
from flashvsr_core.kernels.derived import Derived
from flashvsr_core.kernels.window_conv import convolve_windows

CELL_PX = 16
"""Side of the square of pixels behind one token."""

_BITE = 4
_PAST = 2


@dataclass(frozen=True)
class LQProjectionConfig:
    """Channel counts; the released model has 768, 2048, 3072 and 1536."""

    in_channels: int
    channels1: int
    channels2: int
    width: int

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> "LQProjectionConfig":
        """Read the sizes from a checkpoint's shapes; a missing key raises KeyError."""
        return cls(
            in_channels=shapes["conv1.weight"][1],
            channels1=shapes["conv1.weight"][0],
            channels2=shapes["conv2.weight"][0],
            width=shapes["linear_layers.0.weight"][0],
        )


@dataclass
class LQProjectionMemory:
    """What the projection keeps of a stream between chunks; empty at its start."""

    past1: Tensor | None = None
    """(2, h, w, 768): the last unshuffled frames, v1.1 only."""
    past2: Tensor | None = None
    """(2, h, w, C1): the last frames between the convolutions, v1.1 only."""
    started: bool = False

    def move(self, device: torch.device) -> None:
        """Move the kept frames to another device."""
        self.past1 = None if self.past1 is None else self.past1.to(device)
        self.past2 = None if self.past2 is None else self.past2.to(device)


class LQProjection(nn.Module):
    """Both versions of the projection; `causal` is v1.1."""

    def __init__(self, config: LQProjectionConfig, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        kernel, stride = (4, 3, 3), (2, 1, 1)
        self.conv1 = nn.Conv3d(config.in_channels, config.channels1, kernel, stride)
        self.norm1 = ChannelNorm(config.channels1)
        self.conv2 = nn.Conv3d(config.channels1, config.channels2, kernel, stride)
        self.norm2 = ChannelNorm(config.channels2)
        self.linear_layers = nn.ModuleList([nn.Linear(config.channels2, config.width)])
        self._factors1 = Derived(_join_frames if causal else _fold_pairs)
        self._factors2 = Derived(_join_frames if causal else _fold_repeats)

    def release(self) -> None:
        """Give back the memory of weights that later calls need only in another form."""
        self._factors1.freeze(self.conv1.weight)
        self._factors2.freeze(self.conv2.weight)

    def forward(self, frames: Tensor, memory: LQProjectionMemory) -> Tensor:
        """Project the new frames of one chunk.

        Args:
            frames: (3, T, H, W), RGB in [-1, 1]; T is 4n + 1 at the start of a stream, else 4n.
            memory: the stream's; updated in place.

        Returns:
            (n, H/16, W/16, D) tokens.

        """
        cells = rearrange(frames, "c t (h p) (w q) -> t h w (c p q)", p=CELL_PX, q=CELL_PX)
        if not memory.started:
            cells = self._first_bite(cells, memory)
            memory.started = True
        if self.causal:
            return self._project_causal(cells, memory)
        # v1: bites know nothing of one another; one after the other they need little memory.
        return torch.cat([self._project_bite(bite) for bite in cells.split(_BITE)])

    def _first_bite(self, cells: Tensor, memory: LQProjectionMemory) -> Tensor:
        """Consume the first frame, which yields no token but v1.1's past; return the others."""
        first, rest = cells[:1], cells[1:]
        if self.causal:
            # The frame repeated to a bite of four, after two more by replicate padding.
            repeated = first.expand(_PAST + _BITE, -1, -1, -1)
            memory.past2 = self._slide(repeated, self._factors1, self.conv1, self.norm1)
            memory.past1 = repeated[:_PAST].contiguous()
        return rest

    def _project_causal(self, cells: Tensor, memory: LQProjectionMemory) -> Tensor:
        """v1.1: one convolution over the past and all bites together; (n, h, w, D)."""
        assert memory.past1 is not None
        assert memory.past2 is not None
        joined1 = torch.cat([memory.past1, cells])
        memory.past1 = joined1[-_PAST:].clone()
        between = self._slide(joined1, self._factors1, self.conv1, self.norm1)
        joined2 = torch.cat([memory.past2, between])
        memory.past2 = joined2[-_PAST:].clone()
        features = self._slide(joined2, self._factors2, self.conv2, self.norm2)
        tokens: Tensor = self.linear_layers[0](features)
        return tokens

    def _slide(
        self, x: Tensor, factors: Derived, convolution: nn.Conv3d, norm: ChannelNorm
    ) -> Tensor:
        """Convolve (T, h, w, C) over four frames at every second one; (T/2 - 1, h, w, N)."""
        (weight,) = factors(convolution.weight)
        results = []
        for first in range(0, len(x) - _PAST, 2):
            joined = rearrange(x[first : first + _BITE], "t h w c -> 1 h w (t c)")
            results.append(
                norm_silu(convolve_windows(joined, weight), norm.gamma, convolution.bias)
            )
        return torch.cat(results)

    def _project_bite(self, bite: Tensor) -> Tensor:
        """v1: project one bite (4, h, w, 768), preceded by its own last two frames; (1, h, w, D).

        upstream: the repeated frames make the first convolution a circular one over two pairs of
        frames, and the second one a sum over two frames, so both take half the products.
        """
        early, late = rearrange(bite, "(two t) h w c -> two 1 h w (t c)", two=2)
        sums, differences = self._factors1(self.conv1.weight)
        even = convolve_windows(early + late, sums)
        odd = convolve_windows(early - late, differences)
        pair = torch.stack([even + odd, even - odd], dim=-2)
        between = norm_silu(pair, self.norm1.gamma, self.conv1.bias).flatten(-2)
        (weight,) = self._factors2(self.conv2.weight)
        features = norm_silu(convolve_windows(between, weight), self.norm2.gamma, self.conv2.bias)
        tokens: Tensor = self.linear_layers[0](features)
        return tokens


def _join_frames(weight: Tensor) -> list[Tensor]:
    """(N, C, 4, 3, 3) -> (3, 3, 4C, N), for four frames joined as channels."""
    return [rearrange(weight, "n c t y x -> y x (t c) n")]


def _fold_pairs(weight: Tensor) -> list[Tensor]:
    """Return the factors of a circular convolution over two pairs of frames.

    With W = [P, Q] for a pair each and pairs A, B: the results P B + Q A and P A + Q B are half
    the sum and half the difference of (P + Q)(A + B) and (Q - P)(A - B).
    """
    first, second = weight.chunk(2, dim=2)
    return [
        rearrange(factor / 2, "n c t y x -> y x (t c) n")
        for factor in (first + second, second - first)
    ]


def _fold_repeats(weight: Tensor) -> list[Tensor]:
    """Return the factors for two frames that are seen twice."""
    first, second = weight.chunk(2, dim=2)
    return [rearrange(first + second, "n c t y x -> y x (t c) n")]
