"""Convolutions over frames of a stream, with the channels last and the past frames at hand.

One program computes 16 x 16 pixels of one frame for up to 128 output channels: a matrix product
over all taps, fed by bulk copies that give zeros outside the picture. Nothing is unrolled, joined
or padded in memory. On chips without bulk copies Triton turns them into ordinary loads.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

_SIDE = 16
_MAX_OUT = 128


@triton.jit
def _convolve(
    x,
    weight,
    out,
    residual,
    bias_ptr,
    height,
    width,
    out_channels,
    CHANNELS: tl.constexpr,
    FRAMES: tl.constexpr,
    KERNEL: tl.constexpr,
    TOP: tl.constexpr,
    LEFT: tl.constexpr,
    SIDE: tl.constexpr,
    STEP: tl.constexpr,
    OUT: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    RELU: tl.constexpr,
):
    program = tl.program_id(0)
    across = tl.cdiv(width, SIDE)
    down = tl.cdiv(height, SIDE)
    parts = tl.cdiv(out_channels, OUT)
    channel = (program % parts) * OUT
    tile = program // parts
    left = (tile % across) * SIDE
    top = (tile // across % down) * SIDE
    frame = tile // (across * down)
    acc = tl.zeros((SIDE * SIDE, OUT), dtype=tl.float32)
    steps: tl.constexpr = CHANNELS // STEP
    for step in range(FRAMES * KERNEL * KERNEL * steps):
        tap = step // steps
        seen = frame + tap // (KERNEL * KERNEL)
        row = top + TOP + tap // KERNEL % KERNEL
        column = left + LEFT + tap % KERNEL
        pixels = x.load([seen, row, column, (step % steps) * STEP])
        factors = weight.load([step * STEP, channel])
        acc = tl.dot(tl.reshape(pixels, (SIDE * SIDE, STEP)), factors, acc)
    if HAS_BIAS:
        place = channel + tl.arange(0, OUT)
        bias = tl.load(bias_ptr + place, mask=place < out_channels, other=0.0)
        acc += bias.to(tl.float32)[None, :]
    if HAS_RESIDUAL:
        added = residual.load([frame, top, left, channel])
        acc += tl.reshape(added, (SIDE * SIDE, OUT)).to(tl.float32)
    if RELU:
        acc = tl.maximum(acc, 0.0)
    out.store([frame, top, left, channel], tl.reshape(acc.to(out.dtype), (1, SIDE, SIDE, OUT)))


def convolve(
    x: Tensor,
    weight: Tensor,
    *,
    kernel: int = 3,
    corner: tuple[int, int] = (-1, -1),
    frames: int = 1,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    relu: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Convolve frames with zeros around them.

    Args:
        x: (T + frames - 1, H, W, C) contiguous; C a multiple of 32.
        weight: (frames * kernel * kernel * C, N) contiguous: earliest frame first, then the rows
            and columns of the kernel, then the channels; N a multiple of 8.
        kernel: height and width of the kernel.
        corner: where the kernel's first tap lies from the pixel: down, across.
        frames: frames that an output frame sees: itself and those before it.
        bias: (N,).
        residual: (T, H, W, N) contiguous, added before `relu`.
        relu: whether negative results become 0.
        out: (T, H', W', N) to fill, which may be smaller than x; rows, columns and frames may be
            spaced.

    Returns:
        (T, H', W', N) in x's dtype.

    """
    N, C = weight.shape[1], x.shape[-1]
    if out is None:
        out = x.new_empty((len(x) - frames + 1, *x.shape[1:3], N))
    T, H, W, _ = out.shape
    step = 64 if C % 64 == 0 else 32
    width = min(_MAX_OUT, max(16, triton.next_power_of_2(N)))
    placed = [1, _SIDE, _SIDE, width]
    grid = (T * triton.cdiv(H, _SIDE) * triton.cdiv(W, _SIDE) * triton.cdiv(N, width),)
    _convolve[grid](
        TensorDescriptor.from_tensor(x, [1, _SIDE, _SIDE, step]),
        TensorDescriptor.from_tensor(weight, [step, width]),
        TensorDescriptor.from_tensor(out, placed),
        TensorDescriptor.from_tensor(out if residual is None else residual, placed),
        out if bias is None else bias,
        H,
        W,
        N,
        CHANNELS=C,
        FRAMES=frames,
        KERNEL=kernel,
        TOP=corner[0],
        LEFT=corner[1],
        SIDE=_SIDE,
        STEP=step,
        OUT=width,
        HAS_BIAS=bias is not None,
        HAS_RESIDUAL=residual is not None,
        RELU=relu,
        num_warps=8,
        # Other depths gave wrong sums on Hopper with Triton 3.6; see docs/performance.md.
        num_stages=3 if step == 64 else 4,
    )
    return out


def convolve_stream(
    x: Tensor,
    past: Tensor | None,
    weight: Tensor,
    *,
    kernel: int,
    frames: int,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """Convolve frames that follow others: as `convolve`, but x has the T frames alone.

    `past` are the (frames - 1, H, W, C) before them; None is zeros. Only the frames that look at
    the past are joined with it.
    """
    T, H, W, C = x.shape
    before = x.new_zeros((frames - 1, H, W, C)) if past is None else past
    out = x.new_empty((T, H, W, weight.shape[1]))
    corner = (-(kernel // 2), -(kernel // 2))
    first = min(T, frames - 1)
    pieces = []
    if first > 0:
        pieces.append((torch.cat([before, x[:first]]), slice(0, first)))
    if first < T:
        pieces.append((x, slice(first, T)))
    for seen, made in pieces:
        convolve(
            seen,
            weight,
            kernel=kernel,
            corner=corner,
            frames=frames,
            bias=bias,
            residual=None if residual is None else residual[made],
            relu=relu,
            out=out[made],
        )
    return out


def flatten_weight(weight: Tensor) -> Tensor:
    """Bring (N, C, frames, kh, kw) or (N, C, kh, kw) into the order that `convolve` wants."""
    if weight.ndim == 4:
        weight = weight.unsqueeze(2)
    return weight.permute(2, 3, 4, 1, 0).flatten(0, 3).contiguous()
