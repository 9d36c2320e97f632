"""The diffusion transformer: noise and low-quality tokens in, predicted velocity out.

Attributes carry the released checkpoint's parameter names (Wan2.1 text-to-video, 1.3B).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.dit.block import Block, ChunkContext, Modulation, Row
from flashvsr_core.dit.windows import Grid, from_windows, to_windows

TIMESTEP = 1000.0
"""The only timestep at which the one-step model was distilled."""

PATCH = 2
"""Latent pixels per token, in height and in width."""


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of the transformer; the released model is `width=1536, layers=30, ffn_width=8960`."""

    width: int
    ffn_width: int
    layers: int
    latent_channels: int = 16
    text_width: int = 4096
    frequency_width: int = 256

    @property
    def heads(self) -> int:
        """Attention heads, 128 wide each."""
        return self.width // 128

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> "DiTConfig":
        """Read the sizes from a checkpoint's shapes; a missing key raises KeyError."""
        layers = {int(key.split(".")[1]) for key in shapes if key.startswith("blocks.")}
        return cls(
            width=shapes["patch_embedding.weight"][0],
            latent_channels=shapes["patch_embedding.weight"][1],
            ffn_width=shapes["blocks.0.ffn.0.weight"][0],
            layers=max(layers) + 1,
            text_width=shapes["text_embedding.0.weight"][1],
            frequency_width=shapes["time_embedding.0.weight"][1],
        )


@dataclass(frozen=True)
class Conditioning:
    """Everything that depends on the prompt and the timestep alone, computed once per model."""

    block_modulation: tuple[Modulation, ...]
    head_modulation: tuple[Tensor, Tensor]
    """Factor and offset of the last norm, (D,) each."""
    prompt: tuple[tuple[Tensor, Tensor], ...]
    """Cross-attention keys and values of every block, (1, K, text tokens, 128)."""


class Head(nn.Module):
    """Tokens to velocity: modulated norm and one linear layer."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.head = nn.Linear(config.width, config.latent_channels * PATCH * PATCH)
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.width))

    def forward(self, row: Row, modulation: tuple[Tensor, Tensor]) -> Tensor:
        """Map (L, D) to (L, 64)."""
        _, normed = row.add_norm(*modulation)
        projected: Tensor = self.head(normed)
        return projected


class DiT(nn.Module):
    """The whole transformer; holds weights only, a stream's memory is passed in."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.patch_embedding = nn.Conv3d(
            config.latent_channels, width, kernel_size=(1, PATCH, PATCH), stride=(1, PATCH, PATCH)
        )
        self.text_embedding = nn.Sequential(
            nn.Linear(config.text_width, width),
            nn.GELU(approximate="tanh"),
            nn.Linear(width, width),
        )
        self.time_embedding = nn.Sequential(
            nn.Linear(config.frequency_width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(Block(width, config.ffn_width) for _ in range(config.layers))
        self.head = Head(config)

    @torch.inference_mode()
    def condition(self, context: Tensor) -> Conditioning:
        """Compute the conditioning from a prompt embedding (1, text tokens, text width)."""
        reference = self.head.modulation
        time, time_modulation = self.embed_time()
        text = self.text_embedding(context[0].to(reference))
        shift, scale = (reference + time.unsqueeze(1))[0].unbind(0)
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        return Conditioning(
            block_modulation=tuple(block.modulate(time_modulation) for block in blocks),
            head_modulation=(1 + scale, shift),
            prompt=tuple(block.cross_attn.remember(text) for block in blocks),
        )

    def release(self) -> None:
        """Give back the memory of the prompt's weights, which nothing needs after `condition`."""
        for block in self.blocks:
            assert isinstance(block, Block)
            for layer in (block.cross_attn.k, block.cross_attn.v):
                layer.weight.data = layer.weight.data.new_empty(0)

    def embed_time(self) -> tuple[Tensor, Tensor]:
        """Return the embedding of timestep 1000, (1, D), and its modulation, (1, 6, D)."""
        half = self.config.frequency_width // 2
        exponents = torch.arange(half, dtype=torch.float64) / half
        angles = TIMESTEP * 10000.0**-exponents
        sinusoid = torch.cat([angles.cos(), angles.sin()]).unsqueeze(0)
        time: Tensor = self.time_embedding(sinusoid.to(self.head.modulation))
        return time, self.time_projection(time).unflatten(1, (6, -1))

    def embed_patches(self, latents: Tensor) -> Tensor:
        """Turn latents (16, f, H/8, W/8) into tokens (L, D) in window order."""
        patches = rearrange(latents, "c f (h p) (w q) -> f h w (c p q)", p=PATCH, q=PATCH)
        return nn.functional.linear(
            to_windows(patches), self.patch_embedding.weight.flatten(1), self.patch_embedding.bias
        )

    def forward(
        self,
        noise: Tensor,
        lq_tokens: Tensor,
        conditioning: Conditioning,
        chunk: ChunkContext,
    ) -> Tensor:
        """Predict the velocity of one chunk.

        Args:
            noise: (16, f, H/8, W/8).
            lq_tokens: (L, D) in window order, added before the first block.
            conditioning: what `condition` gave.
            chunk: the chunk's positions, masks and memory; the memory takes the new keys.

        Returns:
            (16, f, H/8, W/8).

        """
        _, f, height, width = noise.shape
        grid = Grid(f, height // PATCH, width // PATCH)
        tokens = self.embed_patches(noise) + lq_tokens
        rows = [Row(row) for row in tokens.split(grid.tokens_per_row)]
        del tokens
        chunk.memory.begin_chunk(grid.rows)
        for layer, block in enumerate(self.blocks):
            rows = block(
                rows, layer, conditioning.block_modulation[layer], conditioning.prompt[layer], chunk
            )
        chunk.memory.end_chunk()
        velocity = torch.cat([self.head(row, conditioning.head_modulation) for row in rows])
        patches = from_windows(velocity, grid)
        return rearrange(patches, "f h w (p q c) -> c f (h p) (w q)", p=PATCH, q=PATCH)
