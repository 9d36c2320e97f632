"""Fused kernels against plain torch: on a GPU where there is one, else in Triton's interpreter."""

import os

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

GPU = torch.cuda.is_available()
if not GPU:
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton")

from flashvsr_core.color import quantize, to_levels  # noqa: E402
from flashvsr_core.geometry import Geometry, Size, enlarge  # noqa: E402
from flashvsr_core.kernels import window_conv  # noqa: E402
from flashvsr_core.kernels.block_lists import list_blocks  # noqa: E402
from flashvsr_core.kernels.chances import local_softmax  # noqa: E402
from flashvsr_core.kernels.channel_norm import norm_silu  # noqa: E402
from flashvsr_core.kernels.convolution import Enlargement, PairConvolution  # noqa: E402
from flashvsr_core.kernels.fused.adain import adain_levels  # noqa: E402
from flashvsr_core.kernels.fused.block_lists import list_blocks_fused  # noqa: E402
from flashvsr_core.kernels.fused.chances import local_softmax_fused  # noqa: E402
from flashvsr_core.kernels.fused.channel_norm import norm_silu_fused  # noqa: E402
from flashvsr_core.kernels.fused.enlargement import enlarge_fused  # noqa: E402
from flashvsr_core.kernels.fused.few_channels import convolve_to_few  # noqa: E402
from flashvsr_core.kernels.fused.norm import add_norm_fused  # noqa: E402
from flashvsr_core.kernels.fused.pooling import pool_blocks_fused  # noqa: E402
from flashvsr_core.kernels.fused.rms_rotate import rms_rotate_fused  # noqa: E402
from flashvsr_core.kernels.fused.stream_conv import convolve_stream, flatten_weight  # noqa: E402
from flashvsr_core.kernels.fusing import without_fusing  # noqa: E402
from flashvsr_core.kernels.norm import add_norm, norm  # noqa: E402
from flashvsr_core.kernels.pooling import pool_blocks  # noqa: E402
from flashvsr_core.kernels.rms_rotate import rms_norm, rms_rotate  # noqa: E402

DEVICE = torch.device("cuda" if GPU else "cpu")


@pytest.fixture(autouse=True)
def _plain() -> object:
    with without_fusing():
        yield


def rand(*shape: int) -> Tensor:
    return torch.randn(shape, device=DEVICE)


def close(actual: Tensor, expected: Tensor, tolerance: float = 2e-6) -> bool:
    return bool((actual - expected).norm() <= tolerance * expected.norm())


def test_norm_and_gated_sum() -> None:
    x, update, gate, factor, offset = rand(7, 384), rand(7, 384), rand(384), rand(384), rand(384)
    assert close(add_norm_fused(x, None, None, factor, offset)[1], norm(x, factor, offset))
    for given in (gate, None):
        fused = add_norm_fused(x, update, given, factor, offset)
        for actual, expected in zip(fused, add_norm(x, update, given, factor, offset), strict=True):
            assert close(actual, expected)


def test_rms_norm_and_rotation() -> None:
    x, weight = rand(5, 384), rand(384)
    angles = rand(5, 64)
    rotation = (angles.cos(), angles.sin())
    assert close(rms_rotate_fused(x, weight, None, torch.empty_like(x)), rms_norm(x, weight))
    place = torch.full((5, 3, 128), torch.nan, device=DEVICE)
    assert close(rms_rotate_fused(x, weight, rotation, place), rms_rotate(x, weight, rotation))


def test_pooling() -> None:
    x = rand(384, 3, 128)
    out = torch.full((3, 3, 128), torch.nan, device=DEVICE)
    assert close(pool_blocks_fused(x, out), pool_blocks(x))


@pytest.mark.parametrize("rows", [1, 3])
def test_local_softmax(rows: int) -> None:
    S = 6
    local = torch.rand(S, S, device=DEVICE) < 0.5
    local |= torch.eye(S, dtype=torch.bool, device=DEVICE)
    scores = 30 * rand(2, rows * S, 4 * S)
    fused = local_softmax_fused(scores, local)
    assert close(fused, local_softmax(scores, local), 1e-5)
    assert ((fused > 0) <= local.repeat(rows, 4)).all()


@pytest.mark.parametrize("scattered", [True, False])
def test_block_lists(scattered: bool) -> None:
    mask = torch.rand(3, 5, 21, device=DEVICE) < 0.4
    mask[1, 2], mask[2, 0] = False, True
    blocks = torch.randperm(99, device=DEVICE)[:21].int() if scattered else None
    counts, indices = list_blocks_fused(mask, blocks)
    expected = list_blocks(mask, blocks)
    assert torch.equal(counts, expected.counts)
    valid = torch.arange(21, device=DEVICE) < counts.unsqueeze(-1)
    assert torch.equal(indices[valid], expected.indices[valid])


@pytest.mark.parametrize("channels", [12, 96])
def test_channel_norm_and_silu(channels: int) -> None:
    x, gamma, bias = rand(2, 9, 5, channels), rand(channels, 1, 1, 1), rand(channels)
    x[0, 0, 0] = 0
    for given in (bias, None):
        assert close(norm_silu_fused(x, gamma, given), norm_silu(x, gamma, given))


@pytest.mark.parametrize(("frames", "has_past"), [(1, False), (2, True), (2, False), (3, True)])
def test_convolution_over_a_stream(frames: int, has_past: bool) -> None:
    C, N, T, H, W = 32, 24, 2, 20, 17
    x, weight, bias = rand(T, H, W, C), rand(N, C, frames, 3, 3) / 17, rand(N)
    past, residual = rand(max(1, frames - 1), H, W, C), rand(T, H, W, N)
    fused = convolve_stream(
        x,
        past if has_past else None,
        flatten_weight(weight),
        kernel=3,
        frames=frames,
        bias=bias,
        residual=residual,
        relu=True,
    )
    seen = torch.cat([past if has_past else torch.zeros_like(past), x])[1 - T - frames :]
    planes = F.pad(seen.movedim(-1, 0).unsqueeze(0), (1, 1, 1, 1))
    plain = F.conv3d(planes, weight, bias)[0].movedim(0, -1)
    assert close(fused, F.relu(plain + residual), 1e-3 if GPU else 2e-6)


@pytest.mark.parametrize("factor", [1, 2])
def test_enlargement_by_phases(factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = rand(2, 32, 18, 20).contiguous(memory_format=torch.channels_last)
    grow = nn.Conv2d(32, 32 * factor, 1, bias=False).to(DEVICE)
    layer = nn.Conv2d(32, 16, 3, padding=1, bias=factor == 1).to(DEVICE)
    enlarge = Enlargement(factor)
    with torch.no_grad():
        plain = enlarge(x, layer, grow, relu=True)
        monkeypatch.setattr("flashvsr_core.kernels.convolution.runs_on_hopper", lambda _: True)
        fused = enlarge(x, layer, grow, relu=True)
    assert fused.shape == plain.shape
    assert close(fused, plain, 1e-3 if GPU else 2e-6)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_enlargement_is_repeating_pixels_and_convolving(*, relu: bool, bias: bool) -> None:
    x = rand(2, 6, 5, 7).contiguous(memory_format=torch.channels_last)
    layer = nn.Conv2d(6, 4, 3, padding=1, bias=bias).to(DEVICE)
    with torch.no_grad():
        enlarged = Enlargement()(x, layer, relu=relu)
        plain = layer(x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
    assert enlarged.is_contiguous(memory_format=torch.channels_last)
    assert close(enlarged, F.relu(plain) if relu else plain, 1e-3 if GPU else 2e-6)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("has_past", [False, True])
def test_a_frame_is_joined_with_the_one_before(frames: int, *, has_past: bool) -> None:
    layer = PairConvolution(4).to(DEVICE)
    past, x = rand(1, 4, 5, 7), rand(frames, 4, 5, 7)
    before = torch.cat([past if has_past else torch.zeros_like(past), x[:-1]])
    with torch.no_grad():
        plain = F.relu(F.conv2d(torch.cat([x, before], dim=1), layer.weight, layer.bias, padding=1))
        joined = layer.relu(x, past if has_past else None)
    assert close(joined, plain, 1e-3 if GPU else 2e-6)


def test_a_frame_and_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = PairConvolution(32).to(DEVICE)
    x, before = rand(3, 32, 18, 20), rand(1, 32, 18, 20)
    with torch.no_grad():
        for given in (before, None):
            plain = layer.relu(x, given)
            with monkeypatch.context() as patch:
                patch.setattr("flashvsr_core.kernels.convolution.runs_on_hopper", lambda _: True)
                fused = layer.relu(x, given)
            assert close(fused, plain, 1e-3 if GPU else 2e-6)


@pytest.mark.parametrize("limit", [1, 2**30])
def test_neighbourhoods_as_rows(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = rand(2, 7, 5, 12), rand(3, 3, 12, 8)
    monkeypatch.setattr(window_conv, "_ROWS_BYTES", limit)
    laid = window_conv._multiply_windows(x, weight.flatten(0, 2))
    assert close(laid, window_conv.convolve_windows(x, weight), 1e-3 if GPU else 2e-6)


def test_a_few_channels() -> None:
    x, weight, bias = rand(2, 9, 300, 32), rand(3, 32, 3, 3), rand(3)
    taps = weight.permute(2, 3, 0, 1).reshape(27, 32)
    plain = F.conv2d(x.movedim(-1, 1), weight, bias, padding=1)
    assert close(convolve_to_few(x, taps, bias), plain, 1e-3 if GPU else 2e-6)


def test_the_triton_kernel_attends_like_the_reference() -> None:
    from flashvsr_core.dit.attention.reference import attend as exact
    from flashvsr_core.dit.attention.triton_kernel import attend

    q, k, v = rand(2 * 128, 2, 128), rand(5 * 128, 2, 128), rand(5 * 128, 2, 128)
    mask = torch.rand(2, 2, 3, device=DEVICE) < 0.7
    mask[0, 1] = False
    blocks = torch.tensor([4, 0, 3], dtype=torch.int32, device=DEVICE)
    fused = attend(q, k, v, mask, blocks)
    # A GPU's matrix units round float32 to 10 bits.
    assert close(fused, exact(q, k, v, mask, blocks), 5e-3 if GPU else 2e-6)
    assert (fused[128:, 0] == 0).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize("height", [4, 37])
@pytest.mark.parametrize("width", [64, 1030])
def test_adain_and_rounding(dtype: torch.dtype, height: int, width: int) -> None:
    # A crop of a wider canvas, frames before channels as the decoder leaves them; a flat frame too.
    result = (rand(2, 3, height + 3, width + 5) * 0.3 + 0.2).movedim(1, 0)[..., :height, :width]
    source = (rand(3, 2, height, width) * 0.5 - 0.4).clamp(-1, 1)
    source[:, 1] = torch.tensor([0.9, -0.999, 0.0], device=DEVICE)[:, None, None]
    levels = adain_levels(result, source, dtype)
    plain = to_levels(result, source, "adain", 8 if dtype == torch.uint8 else 16)
    assert levels.shape == plain.shape
    assert levels.dtype == plain.dtype
    apart = (levels.int() - plain.int()).abs()
    assert apart.max() <= 1, "the sums' order may decide a half"
    assert (apart > 0).float().mean() < (0.001 if dtype == torch.uint8 else 0.05)
    assert plain.float().std() > 10


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize(
    ("source", "output"),
    [
        (Size(5, 7), Size(20, 28)),
        (Size(5, 7), Size(13, 17)),
        (Size(30, 7), Size(9, 19)),
        (Size(1, 1), Size(4, 4)),
    ],
)
def test_enlarging(dtype: torch.dtype, source: Size, output: Size) -> None:
    peak = 255 if dtype == torch.uint8 else 65535
    shape = (2, source.height_px, source.width_px, 3)
    # Hard edges, so that overshoot is clipped.
    frames = (torch.rand(shape, device=DEVICE) * 3 - 1).clamp(0, 1).mul(peak).to(dtype)
    # The interpreter is slow, so the canvas is smaller than the model's; 4 is mirrored many times.
    geometry = Geometry(source, output, canvas=Size(24, 30))
    fused, plain = (
        quantize(enlarge_it(frames, geometry, torch.float32), 8 if peak == 255 else 16).int()
        for enlarge_it in (enlarge_fused, enlarge)
    )
    assert fused.shape == plain.shape
    apart = (fused - plain).abs()
    assert apart.max() <= 1, "the sums' order may decide a half"
    assert (apart > 0).float().mean() < (0.001 if peak == 255 else 0.1)
