import pytest
import torch

from flashvsr_core.decoder import Decoder, DecoderMemory
from flashvsr_core.tiny_decoder import TinyDecoder, TinyDecoderConfig
from flashvsr_core.wan_vae import WanVAE, WanVAEConfig


@pytest.mark.parametrize(
    "decoder",
    [TinyDecoder(TinyDecoderConfig(784, (16, 8, 8, 8))), WanVAE(WanVAEConfig(4, 16))],
    ids=["tiny", "wan"],
)
@torch.no_grad()
def test_decoding_in_parts_is_decoding_at_once(decoder: Decoder) -> None:
    latents = torch.randn(16, 5, 4, 6)
    frames = torch.randn(3, 17, 32, 48)
    whole = decoder.decode(latents, frames, DecoderMemory())
    assert whole.shape == (3, 17, 32, 48)
    memory = DecoderMemory()
    parts = [
        decoder.decode(latents[:, :1], frames[:, :1], memory),
        decoder.decode(latents[:, 1:2], frames[:, 1:5], memory),
        decoder.decode(latents[:, 2:], frames[:, 5:], memory),
    ]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


@torch.no_grad()
def test_no_frame_depends_on_later_latents() -> None:
    decoder = TinyDecoder(TinyDecoderConfig(784, (16, 8, 8, 8)))
    latents, frames = torch.randn(16, 4, 4, 4), torch.randn(3, 13, 32, 32)
    early = decoder.decode(latents[:, :2], frames[:, :5], DecoderMemory())
    assert torch.allclose(decoder.decode(latents, frames, DecoderMemory())[:, :5], early, atol=1e-5)


@pytest.mark.parametrize("limit", [1, 40_000])
@torch.no_grad()
def test_bands_and_groups_change_nothing(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames too large for one pass are taken apart; borders inside the picture must not show."""
    torch.manual_seed(0)
    decoder = TinyDecoder(TinyDecoderConfig(784, (16, 8, 8, 8)))
    latents, low_quality = torch.randn(16, 4, 12, 10), torch.rand(3, 13, 96, 80)
    whole = decoder.decode(latents, low_quality, DecoderMemory())
    monkeypatch.setattr("flashvsr_core.tiny_decoder._CPU_BAND_BYTES", limit)
    parts = decoder.decode(latents, low_quality, DecoderMemory())
    assert torch.allclose(parts, whole, atol=1e-5)
