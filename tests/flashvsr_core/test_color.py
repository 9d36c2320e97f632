import torch
import torch.nn.functional as F

from flashvsr_core.color import match_adain, match_wavelet


def test_adain_gives_every_frame_and_channel_the_sources_statistics() -> None:
    result = torch.randn(3, 4, 40, 50) * 0.1 + 0.3
    source = torch.randn(3, 4, 40, 50) * (0.05 + 0.1 * torch.rand(3, 4, 1, 1)) - 0.1
    matched = match_adain(result, source)
    assert torch.allclose(matched.mean((-2, -1)), source.mean((-2, -1)), atol=1e-4)
    assert torch.allclose(matched.std((-2, -1)), source.std((-2, -1)), atol=1e-3)


def test_wavelet_keeps_detail_and_takes_the_sources_slow_colours() -> None:
    detail = 0.05 * torch.sign(torch.sin(torch.arange(128.0) * 3))
    slow = torch.linspace(-0.5, 0.5, 128)
    result = (0.4 * slow + detail).expand(3, 2, 128, 128)
    source = (slow * 0.9).expand(3, 2, 128, 128)
    matched = match_wavelet(result, source)
    assert torch.allclose(matched[..., 32:-32], (source + detail)[..., 32:-32], atol=0.02)


def test_wavelet_is_five_levels_of_a_dilated_binomial_blur() -> None:
    result, source = torch.randn(3, 1, 40, 48) * 0.2, torch.randn(3, 1, 40, 48) * 0.2
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16

    def low(x: torch.Tensor) -> torch.Tensor:
        for step in (1, 2, 4, 8, 16):
            padded = F.pad(x, (step,) * 4, mode="replicate")
            x = F.conv2d(padded, kernel.expand(3, 1, 3, 3), dilation=step, groups=3)
        return x

    r, s = result.movedim(1, 0), source.movedim(1, 0)
    expected = (r - low(r) + low(s)).clamp(-1, 1).movedim(0, 1)
    assert torch.allclose(match_wavelet(result, source), expected, atol=1e-5)
