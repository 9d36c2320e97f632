"""PSNR, SSIM, MS-SSIM and VMAF against second implementations."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.clips import Frames
from evaluation.errors import MetricUnavailableError
from evaluation.metrics import METRICS
from evaluation.metrics.vmaf import find_ffmpeg
from tests.evaluation.conftest import noisy


def planes(frames: Frames) -> torch.Tensor:
    return torch.from_numpy(frames).movedim(-1, 1).double() / 255


def test_psnr_is_its_formula(large_cars: Frames) -> None:
    output = noisy(large_cars, 9)
    error = ((output.astype(np.float64) - large_cars) ** 2).mean(axis=(1, 2, 3))
    expected = (10 * np.log10(255**2 / error)).mean()
    assert METRICS["psnr"].measure(output, large_cars) == pytest.approx(expected, abs=1e-6)
    assert METRICS["psnr"].measure(large_cars, large_cars) == pytest.approx(100.0)


def test_psnr_is_ffmpegs(large_cars: Frames, tmp_path: Path) -> None:
    output = noisy(large_cars, 9)
    (tmp_path / "a.rgb").write_bytes(output.tobytes())
    (tmp_path / "b.rgb").write_bytes(large_cars.tobytes())
    raw = ["-f", "rawvideo", "-pix_fmt", "gbrp", "-s", "384x216"]
    for name, frames in (("a", output), ("b", large_cars)):
        # Planar, since ffmpeg's filter would convert packed RGB itself.
        green_blue_red = frames[..., [1, 2, 0]].transpose(0, 3, 1, 2)
        (tmp_path / f"{name}.rgb").write_bytes(np.ascontiguousarray(green_blue_red).tobytes())
    command = [find_ffmpeg(), *raw, "-i", "a.rgb", *raw, "-i", "b.rgb", "-lavfi", "psnr=p.log"]
    subprocess.run([*command, "-f", "null", "-"], cwd=tmp_path, check=True, capture_output=True)
    theirs = [float(x) for x in re.findall(r"psnr_avg:([\d.]+)", (tmp_path / "p.log").read_text())]
    ours = METRICS["psnr"].measure(output, large_cars)
    assert ours == pytest.approx(float(np.mean(theirs)), abs=0.01)


def similarity_maps(output: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """SSIM and its contrast-structure part, written down from Wang and others (2004), per frame."""
    axis = torch.arange(11, dtype=torch.float64) - 5
    line = torch.exp(-(axis**2) / (2 * 1.5**2))
    window = (line[:, None] * line)[None, None] / line.sum() ** 2
    frames = len(output)
    x, y = output.flatten(0, 1)[:, None], truth.flatten(0, 1)[:, None]

    def smooth(planes: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(planes, window)

    mean_x, mean_y = smooth(x), smooth(y)
    both = smooth(x * y) - mean_x * mean_y
    spread = smooth(x * x) - mean_x**2 + smooth(y * y) - mean_y**2
    contrast = (2 * both + 0.03**2) / (spread + 0.03**2)
    brightness = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    whole = (brightness * contrast).mean(dim=(1, 2, 3)).unflatten(0, (frames, -1))
    return whole, contrast.mean(dim=(1, 2, 3)).unflatten(0, (frames, -1))


def test_ssim_is_its_formula(large_cars: Frames) -> None:
    truth = large_cars[:2, :90, :120]
    output = noisy(truth, 9)
    expected = float(similarity_maps(planes(output), planes(truth))[0].mean())
    assert METRICS["ssim"].measure(output, truth) == pytest.approx(expected, abs=2e-5)
    assert METRICS["ssim"].measure(truth, truth) == pytest.approx(1.0)


def test_ms_ssim_is_its_formula(large_cars: Frames) -> None:
    truth = large_cars[:1, :181, :176]
    output = noisy(truth, 9)
    x, y = planes(output), planes(truth)
    product = torch.ones(len(x), 3, dtype=torch.float64)
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        whole, contrast = similarity_maps(x, y)
        product *= (whole if scale == 4 else contrast).clamp(min=0) ** weight
        # Odd sides get a row of zeros, as in the package.
        padding = [side % 2 for side in x.shape[2:]]
        x, y = (torch.nn.functional.avg_pool2d(z, 2, padding=padding) for z in (x, y))
    expected = float(product.mean())
    assert METRICS["ms_ssim"].measure(output, truth) == pytest.approx(expected, abs=2e-5)


def test_vmaf_knows_good_from_bad(large_cars: Frames) -> None:
    vmaf = METRICS["vmaf"]
    same = vmaf.measure(large_cars, large_cars)
    mild = vmaf.measure(noisy(large_cars, 10), large_cars)
    harsh = vmaf.measure(noisy(large_cars, 40), large_cars)
    assert same > 95 > mild > harsh + 10


def test_small_pictures_are_said_to_be_too_small(cars: Frames) -> None:
    with pytest.raises(MetricUnavailableError, match="MS-SSIM needs sides of 176"):
        METRICS["ms_ssim"].measure(cars[:1], cars[:1])
    with pytest.raises(MetricUnavailableError, match="VMAF needs sides of 64"):
        METRICS["vmaf"].measure(cars[:1, :32], cars[:1, :32])
    with pytest.raises(MetricUnavailableError, match="NIQE needs sides of 194"):
        METRICS["niqe"].measure(cars[:1], None)
