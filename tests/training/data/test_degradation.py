"""The degradations, each against what it claims to be."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.data.conftest import textured
from training.data.blur import (
    KERNEL_PX,
    BlurSettings,
    blur,
    draw_kernels,
    gaussian_kernel,
    sinc_kernel,
)
from training.data.codec import CodecPool, Compression, compress
from training.data.degradation import Degradation, DegradationSettings
from training.data.drift import draw_drift
from training.data.jpeg import compress_jpeg
from training.data.named import degrade
from training.data.noise import NoiseSettings, add_noise
from training.data.round import RoundSettings


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def still_clip(frames: int = 6, side: int = 64) -> torch.Tensor:
    """(1, 3, T, side, side) in [-1, 1], all frames equal."""
    picture = torch.from_numpy(textured(side, side, 4)).movedim(-1, 0).float() / 127.5 - 1
    return picture[None, :, None].repeat(1, 1, frames, 1, 1)


def test_kernels_sum_to_one_and_have_their_width() -> None:
    kernels = draw_kernels(40, torch.zeros(40, 2), BlurSettings(), generator())
    assert kernels.shape == (40, 2, KERNEL_PX, KERNEL_PX)
    assert kernels.sum(dim=(-2, -1)).allclose(torch.ones(40, 2), atol=1e-5)
    axis = torch.arange(KERNEL_PX) - KERNEL_PX // 2
    kernel = gaussian_kernel(torch.tensor([2.0]), torch.tensor([1.0]), 0.0)[0]
    assert float((kernel.sum(0) * axis**2).sum()) == pytest.approx(4.0, rel=0.02)
    assert float((kernel.sum(1) * axis**2).sum()) == pytest.approx(1.0, rel=0.02)


def test_blur_equals_direct_convolution() -> None:
    frames = torch.rand(2, 3, 30, 40, generator=generator())
    kernels = draw_kernels(2, torch.zeros(2, 1), BlurSettings(sinc_share=0.0), generator(3))[:, 0]
    padded = torch.nn.functional.pad(frames, (10, 10, 10, 10), mode="reflect")
    for index in range(2):
        direct = torch.nn.functional.conv2d(padded[index][:, None], kernels[index][None, None])
        assert blur(frames, kernels)[index].allclose(direct[:, 0], atol=1e-5)


def test_a_sinc_kernel_passes_what_is_below_its_cutoff() -> None:
    spectrum = torch.fft.fft2(sinc_kernel(torch.tensor([1.6])))[0].abs()
    frequency = torch.fft.fftfreq(KERNEL_PX) * 2 * torch.pi
    assert (spectrum[0][frequency.abs() < 1.0] > 0.8).all()
    assert (spectrum[0][frequency.abs() > 2.4] < 0.15).all()


@pytest.mark.parametrize("quality", [20, 50, 75, 95])
def test_jpeg_is_what_pillow_makes(quality: int) -> None:
    picture = textured(72, 104, 5)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=2)
    theirs = np.asarray(Image.open(buffer), np.float64)
    frames = torch.from_numpy(picture).movedim(-1, 0)[None].float() / 255
    ours = compress_jpeg(frames, torch.tensor([float(quality)]))[0].movedim(0, -1).numpy() * 255
    damage = np.abs(theirs - picture).mean()
    # Less than one level apart; a few coefficients on the edge between two steps fall either way.
    assert np.abs(ours - theirs).mean() < 0.9
    assert np.abs(ours - picture).mean() == pytest.approx(damage, rel=0.01)


def test_noise_has_its_strength_and_is_new_in_every_frame() -> None:
    frames = torch.full((4, 3, 3, 64, 64), 0.5)
    settings = NoiseSettings(sigma=(0.05, 0.05), gaussian_share=1.0, grey_share=0.5, drift=0.0)
    noise = add_noise(frames, torch.zeros(4, 3), settings, generator(2)) - frames
    assert noise.std().item() == pytest.approx(0.05, rel=0.02)
    assert not torch.equal(noise[:, 0], noise[:, 1])
    is_grey = (noise[:, :, 0] == noise[:, :, 1]).all(dim=(1, 2, 3))
    assert is_grey.any()
    assert not is_grey.all()
    photons = NoiseSettings(poisson_scale=(1.0, 1.0), gaussian_share=0.0)
    counted = add_noise(frames, torch.zeros(4, 3), photons, generator(2)) - frames
    assert counted.std().item() == pytest.approx((0.5 / 256) ** 0.5, rel=0.02)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
def test_codecs_change_pixels_and_keep_frames(codec: str) -> None:
    frames = np.stack([textured(50, 66, 6)[:, i : i + 51] for i in range(8)])
    mild = compress(frames, Compression(codec, crf=12, quantizer=2))  # type: ignore[arg-type]
    harsh = compress(frames, Compression(codec, crf=40, quantizer=25))  # type: ignore[arg-type]
    assert mild.shape == harsh.shape == frames.shape
    errors = [np.abs(x.astype(float) - frames).mean() for x in (mild, harsh)]
    assert 0.3 < errors[0] < errors[1]
    # Each frame is still itself, and not a neighbour.
    own, other = (np.abs(mild.astype(float) - np.roll(frames, k, 0)).mean() for k in (0, 1))
    assert own < 0.5 * other


def test_worker_processes_compress_as_the_caller_does() -> None:
    frames = np.stack([textured(32, 48, seed) for seed in range(3)])
    jobs = [(frames, Compression(crf=crf)) for crf in (20, 35)]
    with CodecPool(1) as pool:
        apart = pool.compress(jobs)
    for ours, theirs in zip(CodecPool().compress(jobs), apart, strict=True):
        assert np.array_equal(ours, theirs)


def test_degradation_is_seeded_and_in_range() -> None:
    clips = still_clip(4).repeat(3, 1, 1, 1, 1)
    for seed in range(6):
        low = Degradation(4)(clips, generator(seed))
        assert low.shape == (3, 3, 4, 16, 16)
        assert low.abs().max() <= 1
        levels = (low + 1) * 127.5
        assert (levels - levels.round()).abs().max() < 1e-3
        assert torch.equal(low, Degradation(4)(clips, generator(seed)))
    assert not torch.equal(low, Degradation(4)(clips, generator(99)))


def test_operations_come_in_random_order() -> None:
    first = RoundSettings(noise_share=1, jpeg_share=1, blur_share=1)
    settings = DegradationSettings(first=first, second_share=0, clean_share=0)
    clip = still_clip(2)
    blurred_last = []
    for seed in range(12):
        low = Degradation(2, settings)(clip, generator(seed))
        blurred_last.append(float((low[..., 0, :, :] - low[..., 1, :, :]).abs().mean()))
    # Noise that is blurred afterwards nearly vanishes from the difference of two equal frames.
    assert max(blurred_last) > 3 * min(blurred_last)


def test_parameters_drift_slowly() -> None:
    drift = draw_drift(50, 40, generator())
    assert drift.abs().max() <= 1
    assert drift.diff(dim=1).abs().max() < 0.33
    assert drift.std(dim=1).min() > 0.1
    # Without noise, equal frames stay alike from one to the next: nothing flickers.
    calm = RoundSettings(noise_share=0, codec_share=0)
    settings = DegradationSettings(first=calm, second=calm, clean_share=0)
    for seed in range(5):
        low = Degradation(4, settings)(still_clip(8), generator(seed))
        assert low.diff(dim=2).abs().mean() < 0.02


def test_clean_share_is_pillows_bicubic() -> None:
    picture = textured(64, 64, 4)
    settings = DegradationSettings(clean_share=1.0)
    low = Degradation(4, settings)(still_clip(1), generator())[0, :, 0].movedim(0, -1)
    theirs = np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.BICUBIC))
    # Pillow rounds between its two passes.
    assert np.abs((low.numpy() + 1) * 127.5 - theirs).max() <= 1.5


def test_named_degradations_are_a_clips_own() -> None:
    frames = np.stack([textured(64, 96, 8)] * 3)
    clean = degrade(frames, "bicubic", 2, "a")
    assert clean.shape == (3, 32, 48, 3)
    assert np.array_equal(clean, degrade(frames, "bicubic", 2, "b"))
    bad = degrade(frames, "training", 4, "a")
    assert bad.shape == (3, 16, 24, 3)
    assert np.array_equal(bad, degrade(frames, "training", 4, "a"))
    assert not np.array_equal(bad, degrade(frames, "training", 4, "b"))
    assert not np.array_equal(bad, degrade(frames, "training", 4, "a", seed=1))
