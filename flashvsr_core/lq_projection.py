"""Low-quality frames to tokens: two strided causal convolutions and a linear layer.

A stream is read in bites: one frame first, then four at a time; every bite but the first gives
one latent frame of tokens. v1 and v1.1 have the same weights' shapes and differ in what stands
before a bite: its own last frames (v1, an accident that was trained in) or the previous bite's
(v1.1, causal). Attributes carry the released checkpoint's parameter names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

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
    """(1, 768, 2, h, w): the last unshuffled frames, v1.1 only."""
    past2: Tensor | None = None
    """(1, C1, 2, h, w): the last frames between the convolutions, v1.1 only."""
    started: bool = False

    def move(self, device: torch.device) -> None:
        """Move the kept frames to another device."""
        self.past1 = None if self.past1 is None else self.past1.to(device)
        self.past2 = None if self.past2 is None else self.past2.to(device)


class ChannelNorm(nn.Module):
    """RMS norm over the channels of (B, C, t, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Scale every position's channel vector to length sqrt(C), then by gamma."""
        scaled: Tensor = F.normalize(x, dim=1) * (x.shape[1] ** 0.5) * self.gamma
        return scaled


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

    def forward(self, frames: Tensor, memory: LQProjectionMemory) -> Tensor:
        """Project the new frames of one chunk.

        Args:
            frames: (3, T, H, W), RGB in [-1, 1]; T is 4n + 1 at the start of a stream, else 4n.
            memory: the stream's; updated in place.

        Returns:
            (n, H/16, W/16, D) tokens.

        """
        cells = rearrange(frames, "c t (h p) (w q) -> 1 (c p q) t h w", p=CELL_PX, q=CELL_PX)
        if not memory.started:
            cells = self._first_bite(cells, memory)
            memory.started = True
        project = self._project_causal if self.causal else self._project_bites
        features = project(cells, memory)
        tokens: Tensor = self.linear_layers[0](features)
        return tokens

    def _first_bite(self, cells: Tensor, memory: LQProjectionMemory) -> Tensor:
        """Consume the first frame, which yields no token but v1.1's past; return the others."""
        first, rest = cells[:, :, :1], cells[:, :, 1:]
        if self.causal:
            # The frame repeated to a bite of four, after two more by replicate padding.
            repeated = first.expand(-1, -1, _PAST + _BITE, -1, -1)
            memory.past2 = self._layer1(repeated)
            memory.past1 = repeated[:, :, :_PAST].contiguous()
        return rest

    def _project_causal(self, cells: Tensor, memory: LQProjectionMemory) -> Tensor:
        """v1.1: one convolution over the past and all bites together; (n, h, w, C2)."""
        assert memory.past1 is not None
        assert memory.past2 is not None
        joined1 = torch.cat([memory.past1, cells], dim=2)
        memory.past1 = joined1[:, :, -_PAST:].clone()
        joined2 = torch.cat([memory.past2, self._layer1(joined1)], dim=2)
        memory.past2 = joined2[:, :, -_PAST:].clone()
        return rearrange(self._layer2(joined2), "1 c t h w -> t h w c")

    def _project_bites(self, cells: Tensor, _memory: LQProjectionMemory) -> Tensor:
        """v1: bites know nothing of one another, so they are a batch; (n, h, w, C2)."""
        # upstream: each bite is preceded by its own last two frames, not by earlier ones.
        bites = rearrange(cells, "1 c (b t) h w -> b c t h w", t=_BITE)
        between = self._layer1(torch.cat([bites[:, :, -_PAST:], bites], dim=2))
        features = self._layer2(torch.cat([between[:, :, -_PAST:], between], dim=2))
        return rearrange(features, "b c 1 h w -> b h w c")

    def _layer1(self, x: Tensor) -> Tensor:
        return F.silu(self.norm1(self.conv1(_pad_replicate(x))))

    def _layer2(self, x: Tensor) -> Tensor:
        return F.silu(self.norm2(self.conv2(_pad_replicate(x))))


def _pad_replicate(x: Tensor) -> Tensor:
    """Pad height and width by one on every side."""
    return F.pad(x, (1, 1, 1, 1, 0, 0), mode="replicate")
