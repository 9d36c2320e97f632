"""A model with random weights of true shape, made on the device: speed does not depend on them."""

import torch
from torch import Tensor, nn

from flashvsr_core import FlashVSR
from flashvsr_core.decoder import Decoder
from flashvsr_core.dit.attention import choose_backend
from flashvsr_core.dit.model import DiT
from flashvsr_core.kernels.convolution import use_channels_last
from flashvsr_core.lq_projection import LQProjection
from flashvsr_core.network import Network
from flashvsr_core.pipeline import Pipeline
from flashvsr_core.tiny_decoder import TinyDecoder
from flashvsr_core.wan_vae import LatentStatistics, WanVAE
from flashvsr_core.weights.random import CONFIGS, draw


def random_model(
    config_name: str,
    pipeline: Pipeline,
    device: torch.device,
    *,
    attention: str = "auto",
    dtype: torch.dtype | None = None,
    causal: bool = False,
) -> FlashVSR:
    """Make a model.

    Args:
        config_name: a key of `CONFIGS`.
        pipeline: which decoder.
        device: where it lies.
        attention: a backend's name, or `auto`.
        dtype: bfloat16 on a GPU and float32 elsewhere, where it is None.
        causal: the projection of v1.1 instead of v1's.

    """
    config = CONFIGS[config_name]
    dtype = dtype or (torch.bfloat16 if device.type == "cuda" else torch.float32)
    generator = torch.Generator(device).manual_seed(0)

    def place(module: nn.Module) -> None:
        module.to_empty(device=device).to(dtype).eval().requires_grad_(requires_grad=False)
        for key, tensor in module.state_dict().items():
            # Rounded to bfloat16 in any case, so that models of other types are the same one.
            tensor.copy_(draw(key, tensor.shape, generator).bfloat16())

    with torch.device("meta"):
        dit = DiT(config.dit)
        projection = LQProjection(config.lq_projection, causal=causal)
        tiny = TinyDecoder(config.tiny_decoder)
    for module in (dit, projection, tiny):
        place(module)
    decoder: Decoder = use_channels_last(tiny)
    if pipeline == "full":
        statistics = LatentStatistics.wan21()
        with torch.device("meta"):
            large = WanVAE(config.wan_vae)
        place(large)
        large.latent_mean, large.latent_std = (
            statistics.mean.to(device),
            statistics.std.to(device),
        )
        decoder = large
    prompt: Tensor = torch.randn(
        (1, config.text_tokens, config.dit.text_width), generator=generator, device=device
    )
    conditioning = dit.condition(prompt.to(dtype))
    dit.release()
    projection.release()
    return FlashVSR(
        Network(
            dit=dit,
            conditioning=conditioning,
            lq_projection=projection,
            decoder=decoder,
            attention=choose_backend(attention, device),
            device=device,
            dtype=dtype,
        )
    )
