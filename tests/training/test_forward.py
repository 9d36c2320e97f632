"""The batched training forwards give what the engine gives chunk by chunk, on the same weights."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from flashvsr_core import FlashVSR, Size, StreamSettings
from flashvsr_core.decoder import DecoderMemory
from flashvsr_core.dit.windows import Grid
from flashvsr_core.lq_projection import LQProjection, LQProjectionConfig, LQProjectionMemory
from flashvsr_core.region import RegionStream
from flashvsr_core.schedule import chunk_at
from flashvsr_core.tiny_decoder import TinyDecoder
from flashvsr_core.wan_vae import LatentStatistics, WanVAE, WanVAEConfig
from flashvsr_core.weights import WeightsFolder
from training.encoder import Encoder, EncoderConfig
from training.forward import tiny_decoder, wan_vae
from training.forward.attention import plan_streaming
from training.forward.dit import predict_velocity
from training.forward.lq_projection import project_clips
from training.forward.tokens import to_windows

SIZE = Size(128, 384)
CHUNKS = 4
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Clip:
    """One clip's inputs, and what the engine made of them."""

    read: Tensor
    noise: Tensor
    velocity: Tensor
    frames: Tensor


@pytest.fixture(scope="module")
def model(random_weights: Path) -> FlashVSR:
    return FlashVSR.load(random_weights, device="cpu")


def stream(model: FlashVSR, settings: StreamSettings, seed: int) -> Clip:
    """Run the engine's region over a random clip, chunk by chunk."""
    generator = torch.Generator().manual_seed(seed)
    read = torch.rand(
        (3, 25 + 8 * (CHUNKS - 1), SIZE.height_px, SIZE.width_px), generator=generator
    )
    read = read * 2 - 1
    region = RegionStream(model.network, SIZE, settings)
    noises, velocities, frames = [], [], []
    taken = 0
    with torch.inference_mode():
        for index in range(CHUNKS):
            chunk = chunk_at(index)
            shape = (16, chunk.latents, SIZE.height_px // 8, SIZE.width_px // 8)
            noise = torch.randn(shape, generator=generator)
            velocity = region.predict(
                chunk, noise, region.project(read[:, taken : taken + chunk.reads])
            )
            emitted = read[:, max(0, taken - 4) : taken + chunk.reads - 4]
            frames += [
                region.decode(part, emitted[:, place])
                for part, place in region.parts(noise - velocity)
            ]
            noises.append(noise)
            velocities.append(velocity)
            taken += chunk.reads
    return Clip(read, torch.cat(noises, 1), torch.cat(velocities, 1), torch.cat(frames, 1))


@pytest.mark.parametrize("kv_ratio", [1.0, 3.0])
def test_the_training_forward_is_the_stream(
    model: FlashVSR, random_weights: Path, kv_ratio: float
) -> None:
    # Half of the pairs are kept, and not every block is near enough to every other.
    settings = StreamSettings(topk_ratio=1.0, local_range=3, kv_ratio=kv_ratio)
    clips = [stream(model, settings, seed) for seed in (0, 1)]
    folder = WeightsFolder(random_weights)
    dit = folder.dit(CPU, torch.float32)
    noise = torch.stack([clip.noise for clip in clips])
    read = torch.stack([clip.read for clip in clips])
    grid = Grid(noise.shape[2], SIZE.height_px // 16, SIZE.width_px // 16)
    pattern = plan_streaming(
        grid, topk_ratio=1.0, local_range=3, kept_rows=int(kv_ratio), device=CPU
    )
    tokens = project_clips(folder.lq_projection(CPU, torch.float32), read)
    velocity = predict_velocity(dit, noise, tokens, folder.prompt(), torch.ones(2), pattern)
    expected = torch.stack([clip.velocity for clip in clips])
    torch.testing.assert_close(velocity, expected, rtol=1e-4, atol=1e-4)
    dense = predict_velocity(dit, noise, tokens, folder.prompt(), torch.ones(2))
    assert (dense - expected).abs().max() > 0.01, "the pattern had no effect: the test is blind"
    frames = tiny_decoder.decode_clips(
        folder.tiny_decoder(CPU, torch.float32), noise - velocity, read[:, :, :-4]
    )
    expected = torch.stack([clip.frames for clip in clips])
    torch.testing.assert_close(frames, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("causal", [False, True])
def test_both_projections_agree_with_the_engine(causal: bool) -> None:
    torch.manual_seed(0)
    projection = LQProjection(LQProjectionConfig(768, 8, 8, 128), causal=causal)
    frames = torch.rand(2, 3, 41, 128, 128) * 2 - 1
    with torch.no_grad():
        batched = project_clips(projection, frames)
        for clip, tokens in zip(frames, batched, strict=True):
            memory = LQProjectionMemory()
            parts = [projection(part, memory) for part in clip.split([25, 8, 8], dim=1)]
            expected = to_windows(torch.cat(parts).unsqueeze(0))[0]
            torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-4)


def test_the_large_decoder_agrees_with_the_engine() -> None:
    torch.manual_seed(0)
    statistics = LatentStatistics(torch.randn(16), torch.rand(16) + 0.5)
    vae = WanVAE(WanVAEConfig(base=4, latent_channels=16), statistics)
    latents = torch.randn(2, 16, 4, 4, 6)
    shape = (1, 16, 1, 1, 1)
    with torch.no_grad():
        hidden = latents * statistics.std.view(shape) + statistics.mean.view(shape)
        batched = wan_vae.decode_clips(vae, hidden)
        assert batched.shape == (2, 3, 13, 32, 48)
        for clip, frames in zip(latents, batched, strict=True):
            expected = vae.decode(clip, torch.empty(0), DecoderMemory())
            torch.testing.assert_close(frames.clamp(-1, 1), expected, rtol=1e-4, atol=1e-4)


def test_the_encoder_looks_back_only() -> None:
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(base=4))
    frames = torch.rand(1, 3, 13, 32, 48)
    changed = frames.clone()
    changed[:, :, 9:] = 0
    with torch.no_grad():
        mean, log_variance = encoder(frames)
        other, _ = encoder(changed)
        still, _ = encoder(frames[:, :, :1])
    assert mean.shape == log_variance.shape == (1, 16, 4, 4, 6)
    torch.testing.assert_close(mean[:, :, :3], other[:, :, :3])
    torch.testing.assert_close(mean[:, :, :1], still)
    assert not torch.equal(mean[:, :, 3], other[:, :, 3])


def test_gradients_reach_every_weight_of_the_student(random_weights: Path) -> None:
    folder = WeightsFolder(random_weights)
    dit = folder.dit(CPU, torch.float32).requires_grad_()
    projection = folder.lq_projection(CPU, torch.float32).requires_grad_()
    decoder: TinyDecoder = folder.tiny_decoder(CPU, torch.float32).requires_grad_()
    read = torch.rand(1, 3, 25, 128, 128)
    noise = torch.randn(1, 16, 6, 16, 16)
    pattern = plan_streaming(Grid(6, 8, 8), topk_ratio=2.0, local_range=11, kept_rows=3, device=CPU)
    velocity = predict_velocity(
        dit,
        noise,
        project_clips(projection, read),
        folder.prompt(),
        torch.ones(1),
        pattern,
        recompute=True,
    )
    tiny_decoder.decode_clips(decoder, noise - velocity, read[:, :, :-4]).square().mean().backward()
    for module in (dit, projection, decoder):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
