"""One rectangle of one video on its way through the networks, chunk by chunk."""

from collections.abc import Iterator

import torch
from torch import Tensor

from flashvsr_core.decoder import DecoderMemory
from flashvsr_core.dit.block import ChunkContext
from flashvsr_core.dit.block_mask import TRAINED_PIXELS, budget_of, local_mask
from flashvsr_core.dit.memory import KeyValueMemory
from flashvsr_core.dit.rope import rotation_for
from flashvsr_core.dit.windows import WINDOW_FRAMES, Grid, to_windows
from flashvsr_core.geometry import Size
from flashvsr_core.lq_projection import CELL_PX, LQProjectionMemory
from flashvsr_core.network import Network
from flashvsr_core.schedule import FRAMES_PER_LATENT, Chunk
from flashvsr_core.settings import StreamSettings


class RegionStream:
    """The state of one region: attention memory, projection memory, decoder memory."""

    def __init__(self, network: Network, size: Size, settings: StreamSettings) -> None:
        """Start a region of `size`, whose sides are multiples of 128."""
        self._network = network
        self._size = size
        grid = self._grid(WINDOW_FRAMES)
        topk_ratio = settings.topk_ratio
        if topk_ratio is None:
            topk_ratio = settings.sparse_ratio * TRAINED_PIXELS / (size.height_px * size.width_px)
        self._budget = budget_of(grid, topk_ratio)
        self._local = local_mask(grid.blocks_down, grid.blocks_across, settings.local_range).to(
            network.device
        )
        self.attention_memory = KeyValueMemory(
            layers=network.dit.config.layers,
            heads=network.dit.config.heads,
            kept_rows=int(settings.kv_ratio),
            grid=grid,
            device=network.device,
            dtype=network.dtype,
            shared=network.attention.scattered,
        )
        self._projection_memory = LQProjectionMemory()
        self._decoder_memory = DecoderMemory()

    def advance(self, chunk: Chunk, read: Tensor, emitted: Tensor, noise: Tensor) -> Tensor:
        """Run one chunk.

        Args:
            chunk: the next one of the schedule.
            read: (3, chunk.reads, H, W): the frames that the chunk reads, enlarged.
            emitted: (3, chunk.emits, H, W): the frames that the chunk finishes, enlarged.
            noise: (16, chunk.latents, H/8, W/8).

        Returns:
            (3, chunk.emits, H, W), RGB in about [-1, 1], colours not yet matched.

        """
        latents = self.denoise(chunk, read, noise)
        return torch.cat(
            [self.decode(part, emitted[:, place]) for part, place in self.parts(latents)], dim=1
        )

    def denoise(self, chunk: Chunk, read: Tensor, noise: Tensor) -> Tensor:
        """Return the chunk's clean latents, (16, chunk.latents, H/8, W/8); see `advance`."""
        lq_tokens = self.project(read)
        del read
        # Flow matching at sigma 1: noise minus velocity is the clean latent, in one step.
        return noise - self.predict(chunk, noise, lq_tokens)

    def project(self, read: Tensor) -> Tensor:
        """Return the chunk's low-quality tokens, (L, D) in window order."""
        return to_windows(self._network.lq_projection(read, self._projection_memory))

    def predict(self, chunk: Chunk, noise: Tensor, lq_tokens: Tensor) -> Tensor:
        """Return the chunk's velocity, (16, f, H/8, W/8)."""
        network = self._network
        row = self._grid(WINDOW_FRAMES)
        context = ChunkContext(
            rotations=[
                rotation_for(row, chunk.first_latent + WINDOW_FRAMES * index, network.device)
                for index in range(chunk.latents // WINDOW_FRAMES)
            ],
            local=self._local,
            budget=self._budget,
            memory=self.attention_memory,
            attend=network.attention.attend,
        )
        velocity: Tensor = network.dit(noise, lq_tokens, network.conditioning, context)
        return velocity

    def parts(self, latents: Tensor) -> Iterator[tuple[Tensor, slice]]:
        """Yield two of the chunk's latents at a time, and which of its frames they become.

        A first chunk that is decoded so needs no more memory than a later one.
        """
        start = 0
        for part in latents.split(WINDOW_FRAMES, dim=1):
            end = start + part.shape[1] * FRAMES_PER_LATENT
            if self._decoder_memory.is_empty:
                end -= FRAMES_PER_LATENT - 1
            yield part, slice(start, end)
            start = end

    def decode(self, part: Tensor, emitted: Tensor) -> Tensor:
        """Return the frames (3, T, H, W) that a part becomes; `emitted` are the enlarged ones."""
        return self._network.decoder.decode(part, emitted, self._decoder_memory)

    def move(self, device: torch.device) -> None:
        """Move the whole state to another device, where it waits for its next turn."""
        self.attention_memory.move(device)
        self._projection_memory.move(device)
        self._decoder_memory.move(device)

    def _grid(self, latents: int) -> Grid:
        return Grid(latents, self._size.height_px // CELL_PX, self._size.width_px // CELL_PX)
