"""Convolutions over (T, C, H, W) with the channels last in memory, and what follows them.

Three ways: plain torch; cuDNN's convolution with bias, sum and ReLU in one; and on Hopper, for
what looks at earlier frames or enlarges, a kernel of our own that joins and enlarges nothing in
memory.
"""

from collections.abc import Iterator
from typing import TypeVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.kernels.derived import Derived
from flashvsr_core.kernels.fusing import is_fused, runs_on_hopper

M = TypeVar("M", bound=nn.Module)

_ONES, _PADDING = (1, 1), (1, 1)


def convolve_relu(x: Tensor, layer: nn.Conv2d, residual: Tensor | None = None) -> Tensor:
    """Return ReLU of a 3x3 convolution, plus `residual` if given; all (T, C, H, W)."""
    if is_fused(x):
        weight = layer.weight.contiguous(memory_format=torch.channels_last)
        if residual is None:
            fused: Tensor = torch.ops.aten.cudnn_convolution_relu(
                x, weight, layer.bias, _ONES, _PADDING, _ONES, 1
            )
        else:
            fused = torch.ops.aten.cudnn_convolution_add_relu(
                x, weight, residual, 1.0, layer.bias, _ONES, _PADDING, _ONES, 1
            )
        return fused
    convolved: Tensor = layer(x)
    if residual is not None:
        convolved += residual
    return F.relu(convolved, inplace=not torch.is_grad_enabled())


class PairConvolution(nn.Conv2d):
    """A 3x3 convolution over each frame and the one before it, joined as channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(2 * channels, channels, 3, padding=1)
        self._flat = Derived(_flatten_pair)
        self._halves = Derived(lambda weight: list(weight.chunk(2, dim=1)), torch.channels_last)

    def relu(self, x: Tensor, before: Tensor | None) -> Tensor:
        """Return ReLU of the convolution.

        Args:
            x: (T, C, H, W), consecutive frames.
            before: (1, C, H, W), the frame before them; None is zeros.

        """
        if is_fused(x) and len(x) == 1 and before is not None:
            # One frame alone: two convolutions into one sum, and nothing to join.
            own, earlier = self._halves(self.weight)
            summed = F.conv2d(before, earlier, padding=1)
            alone: Tensor = torch.ops.aten.cudnn_convolution_add_relu(
                x, own, summed, 1.0, self.bias, _ONES, _PADDING, _ONES, 1
            )
            return alone
        if runs_on_hopper(x) and self.out_channels % 32 == 0:
            from flashvsr_core.kernels.fused.stream_conv import convolve_stream

            past = None if before is None else channels_last(before)
            (weight,) = self._flat(self.weight)
            out = convolve_stream(
                channels_last(x), past, weight, kernel=3, frames=2, bias=self.bias, relu=True
            )
            return out.movedim(-1, 1)
        if x.device.type == "cpu":
            # Joining would move more memory than the convolutions read.
            own, earlier = self._halves(self.weight)
            out = F.conv2d(x, own, self.bias, padding=1)
            if before is not None:
                out[:1] += F.conv2d(before, earlier, padding=1)
            if len(x) > 1:
                out[1:] += F.conv2d(x[:-1], earlier, padding=1)
            return F.relu(out, inplace=not torch.is_grad_enabled())
        first = torch.zeros_like(x[:1]) if before is None else before
        joined = torch.cat([x, torch.cat([first, x[:-1]])], dim=1)
        return convolve_relu(joined, self)


class FewChannels(nn.Conv2d):
    """A 3x3 convolution from many channels to a few."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out, 3, padding=1)
        self._taps = Derived(_list_taps)

    def forward(self, x: Tensor) -> Tensor:
        """Map (T, C, H, W) to (T, C', H, W)."""
        if not is_fused(x) or x.dtype == torch.float32:
            return super().forward(x)
        from flashvsr_core.kernels.fused.few_channels import convolve_to_few

        assert self.bias is not None
        (weight,) = self._taps(self.weight)
        return convolve_to_few(channels_last(x), weight, self.bias)


class Enlargement:
    """Growth in time by a 1x1 convolution, nearest enlargement by 2, and a 3x3 convolution.

    Each of the four pixels that a pixel becomes is a 2x2 convolution, 2.25 times less work than 3x3
    over the enlarged picture. On Hopper growth, enlargement and convolution are one.
    """

    def __init__(self, factor: int = 1) -> None:
        self.factor = factor
        self._phases = Derived(self._compose)
        self._small = Derived(_stack_phases, torch.channels_last)

    def __call__(
        self, x: Tensor, layer: nn.Conv2d, grow: nn.Conv2d | None = None, *, relu: bool = False
    ) -> Tensor:
        """Map (T, C, h, w) to (factor * T, C', 2h, 2w), through ReLU where asked."""
        if self._is_fused(x):
            return self._enlarge_fused(x, layer, grow, range(self.factor), relu)
        if grow is not None:
            # A 1x1 convolution and a nearest enlargement commute: growing first is 4x cheaper.
            x = grow(x)
        if self.factor > 1:
            # Split with the channels last, so that the result stays in that memory layout.
            split = rearrange(x.movedim(1, -1), "t h w (k c) -> (t k) h w c", k=self.factor)
            x = split.movedim(-1, 1)
        if x.device.type == "cpu":
            return self._enlarge_small(x, layer, relu=relu)
        enlarged = F.interpolate(x, scale_factor=2, mode="nearest")
        return convolve_relu(enlarged, layer) if relu else layer(enlarged)

    def in_turn(self, x: Tensor, layer: nn.Conv2d, grow: nn.Conv2d) -> Iterator[Tensor]:
        """Yield the new frames of one frame (1, C, h, w), each only when it is wanted."""
        if self._is_fused(x):
            for step in range(self.factor):
                yield self._enlarge_fused(x, layer, grow, range(step, step + 1), relu=False)
        else:
            yield from self(x, layer, grow).split(1)

    def _is_fused(self, x: Tensor) -> bool:
        return runs_on_hopper(x) and x.shape[1] % 32 == 0

    def _enlarge_small(self, x: Tensor, layer: nn.Conv2d, *, relu: bool) -> Tensor:
        """Map (T, C, h, w) to (T, C', 2h, 2w): all four pixels as channels, then side by side."""
        (weight,) = self._small(layer.weight)
        T, _, height, width = x.shape
        corners = F.conv2d(x, weight, padding=1).movedim(1, -1).unflatten(-1, (4, -1))
        out = x.new_empty((T, 2 * height, 2 * width, layer.out_channels))
        for phase in range(4):
            down, across = divmod(phase, 2)
            part = corners[:, down : down + height, across : across + width, phase]
            out[:, down::2, across::2] = part
        if layer.bias is not None:
            out += layer.bias
        return (F.relu(out, inplace=True) if relu else out).movedim(-1, 1)

    def _enlarge_fused(
        self, x: Tensor, layer: nn.Conv2d, grow: nn.Conv2d | None, steps: range, relu: bool
    ) -> Tensor:
        from flashvsr_core.kernels.fused.stream_conv import convolve

        T, _, height, width = x.shape
        out = x.new_empty((T * len(steps), 2 * height, 2 * width, layer.out_channels))
        kernels = (layer.weight,) if grow is None else (layer.weight, grow.weight)
        weights = self._phases(*kernels)
        for index, step in enumerate(steps):
            for down in (0, 1):
                for across in (0, 1):
                    convolve(
                        channels_last(x),
                        weights[4 * step + 2 * down + across],
                        kernel=2,
                        corner=(down - 1, across - 1),
                        bias=layer.bias,
                        relu=relu,
                        out=out[index :: len(steps), down::2, across::2],
                    )
        return out.movedim(-1, 1)

    def _compose(self, weight: Tensor, grow: Tensor | None = None) -> list[Tensor]:
        """Return a flat weight (4C, C') for every new frame and phase."""
        from flashvsr_core.kernels.fused.stream_conv import flatten_weight

        joined = [weight]
        if grow is not None:
            steps = grow[:, :, 0, 0].chunk(self.factor)
            joined = [torch.einsum("omyx,mc->ocyx", weight, step) for step in steps]
        return [
            flatten_weight(_phase(_phase(kernel, down, 2), across, 3))
            for kernel in joined
            for down in (0, 1)
            for across in (0, 1)
        ]


def use_channels_last(module: M) -> M:
    """Lay out the weights of 2D convolutions as kernels for channels last want them."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return module


def _phase(weight: Tensor, phase: int, dim: int) -> Tensor:
    """Sum the taps that fall on one pixel of the small picture: 3 taps to 2 along `dim`."""
    first, middle, last = weight.unbind(dim)
    pair = (first, middle + last) if phase == 0 else (first + middle, last)
    return torch.stack(pair, dim)


def _stack_phases(weight: Tensor) -> list[Tensor]:
    """Return (4C', C, 2, 2): what a 3x3 convolution does to each of four equal pixels."""
    phases = [_phase(_phase(weight, down, 2), across, 3) for down in (0, 1) for across in (0, 1)]
    return [torch.cat(phases)]


def _flatten_pair(weight: Tensor) -> list[Tensor]:
    from flashvsr_core.kernels.fused.stream_conv import flatten_weight

    own, earlier = weight.chunk(2, dim=1)
    return [flatten_weight(torch.stack([earlier, own], dim=2))]


def _list_taps(weight: Tensor) -> list[Tensor]:
    """(N, C, 3, 3) -> (9 N, C)."""
    return [rearrange(weight, "n c y x -> (y x n) c")]


def channels_last(x: Tensor) -> Tensor:
    """(T, C, H, W) -> (T, H, W, C), contiguous."""
    return x.movedim(1, -1).contiguous()
