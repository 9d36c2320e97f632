"""Random weights with the released names: for tests and benchmarks, never for pictures."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from flashvsr_core.dit.model import DiT, DiTConfig
from flashvsr_core.errors import WeightsError
from flashvsr_core.lq_projection import LQProjection, LQProjectionConfig
from flashvsr_core.tiny_decoder import TinyDecoder, TinyDecoderConfig
from flashvsr_core.wan_vae import WanVAE, WanVAEConfig
from flashvsr_core.weights.manifest import Manifest, ModelVersion, record_of, write_manifest
from flashvsr_core.weights.pieces import DIT, LQ_PROJECTION, PROMPT, TINY_DECODER, WAN_VAE, Piece


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of all pieces together."""

    dit: DiTConfig
    lq_projection: LQProjectionConfig
    tiny_decoder: TinyDecoderConfig
    wan_vae: WanVAEConfig
    text_tokens: int


CONFIGS = {
    "tiny-test": ModelConfig(
        DiTConfig(width=128, ffn_width=256, layers=2, text_width=64, frequency_width=64),
        LQProjectionConfig(768, 16, 32, 128),
        TinyDecoderConfig(784, (32, 16, 8, 8)),
        WanVAEConfig(base=4, latent_channels=16),
        text_tokens=8,
    ),
    "nano": ModelConfig(
        DiTConfig(width=128, ffn_width=1024, layers=1, text_width=64),
        LQProjectionConfig(768, 48, 96, 128),
        TinyDecoderConfig(784, (128, 80, 32, 16)),
        WanVAEConfig(base=8, latent_channels=16),
        text_tokens=8,
    ),
    "released": ModelConfig(
        DiTConfig(width=1536, ffn_width=8960, layers=30),
        LQProjectionConfig(768, 2048, 3072, 1536),
        TinyDecoderConfig(784, (512, 256, 128, 128)),
        WanVAEConfig(base=96, latent_channels=16),
        text_tokens=512,
    ),
}


def write_random_weights(
    folder: Path,
    config_name: str,
    *,
    version: ModelVersion = "v1",
    seed: int = 0,
    dtype: torch.dtype = torch.bfloat16,
) -> Manifest:
    """Write a whole folder of random weights.

    Args:
        folder: created if needed; must not hold anything yet.
        config_name: a key of `CONFIGS`.
        version: what the manifest says.
        seed: same seed, same files.
        dtype: of the tensors.

    Raises:
        WeightsError: there is no such configuration, or the folder is not empty.

    """
    if config_name not in CONFIGS:
        raise WeightsError(
            f"There is no configuration '{config_name}'; choose one of: {', '.join(CONFIGS)}."
        )
    if folder.exists() and any(folder.iterdir()):
        raise WeightsError(f"{folder} is not empty; give a new folder for the random weights.")
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIGS[config_name]
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        modules: dict[Piece, nn.Module] = {
            DIT: DiT(config.dit),
            LQ_PROJECTION: LQProjection(config.lq_projection, causal=False),
            TINY_DECODER: TinyDecoder(config.tiny_decoder),
            WAN_VAE: WanVAE(config.wan_vae),
        }
    records = {}
    for piece, module in modules.items():
        shapes = {key: tensor.shape for key, tensor in module.state_dict().items()}
        tensors = {key: draw(key, shape, generator).to(dtype) for key, shape in shapes.items()}
        path = folder / piece.converted_file
        save_file(tensors, path)
        records[path.name] = record_of(path, version, f"random, {config_name}, seed {seed}")
    context = torch.randn((1, config.text_tokens, config.dit.text_width), generator=generator)
    path = folder / PROMPT.converted_file
    save_file({"context": context.to(dtype)}, path)
    records[path.name] = record_of(path, version, f"random, {config_name}, seed {seed}")
    manifest = Manifest(records)
    write_manifest(folder, manifest)
    return manifest


def draw(key: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draw one tensor, float32 on the generator's device; activations keep about their size."""
    device = generator.device
    if key.endswith("gamma") or (".norm" in key and key.endswith("weight")):
        return torch.ones(shape, device=device)
    if key.endswith("bias"):
        return torch.zeros(shape, device=device)
    fan_in = shape[-1] if "modulation" in key else shape[1:].numel()
    return torch.randn(shape, generator=generator, device=device).div_(fan_in**0.5)
