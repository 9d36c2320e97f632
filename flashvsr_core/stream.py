"""Everything that changes while one video runs."""

from collections.abc import Iterator

import torch
from torch import Tensor

from flashvsr_core.errors import GeometryError, StreamClosedError
from flashvsr_core.finish import Finish
from flashvsr_core.geometry import Geometry, enlarge
from flashvsr_core.network import Network
from flashvsr_core.noise import NoiseSource, seeded_noise
from flashvsr_core.region import RegionStream
from flashvsr_core.schedule import LAG, Chunk, chunk_at
from flashvsr_core.settings import StreamSettings
from flashvsr_core.tiles import plan_tiles

_CPU = torch.device("cpu")


class UpscaleStream:
    """One video: feed frames in order, then flush; as many frames come out as went in.

    Memory does not grow with the number of frames. Not safe for use from two threads at once.
    """

    def __init__(
        self,
        network: Network,
        geometry: Geometry,
        settings: StreamSettings,
        noise: NoiseSource | None = None,
    ) -> None:
        """Start a stream; `noise` replaces the noise that `settings.seed` gives."""
        self.geometry = geometry
        self._network = network
        self._settings = settings
        self._noise = noise or seeded_noise(settings.seed)
        self._tiles = plan_tiles(geometry.canvas, settings.tile_px)
        self._regions: list[RegionStream] = []
        for tile in self._tiles:
            self._regions.append(RegionStream(network, tile.size, settings))
            self._park(self._regions[-1])
        color = network.color if settings.color == "auto" else settings.color
        self._finish = Finish(geometry, color, settings.bit_depth)
        self._pending: list[Tensor] = []
        self._last_frame: Tensor | None = None
        self._ahead: Tensor | None = None
        self._fed = 0
        self._emitted = 0
        self._chunk = chunk_at(0)
        self._closed = False

    @torch.inference_mode()
    def feed(self, frames: Tensor) -> Iterator[Tensor]:
        """Take the next frames and yield finished ones, a few at a time, as they get ready.

        Args:
            frames: (T, H, W, 3) at the source size, uint8, or uint16 over its full range; any T.

        Yields:
            (n, H', W', 3) at the output size, on the network's device; uint8 or uint16.

        Raises:
            GeometryError: the frames have another size than the stream was started for.
            StreamClosedError: the stream was flushed.

        """
        if self._closed:
            raise StreamClosedError("This stream was flushed; start a new one for the next video.")
        source = self.geometry.source
        if frames.shape[1:] != (source.height_px, source.width_px, 3):
            height, width = frames.shape[1:3]
            raise GeometryError(
                f"A frame of {width}x{height} was fed to a stream of {source}; all frames of one"
                " video must have one size."
            )
        self._fed += len(frames)
        self._pending.extend(frames)
        while len(self._pending) >= self._chunk.reads:
            yield from self._advance()

    @torch.inference_mode()
    def flush(self) -> Iterator[Tensor]:
        """End the video and yield the frames that are still on their way; shapes as in `feed`."""
        self._closed = True
        while self._emitted < self._fed:
            # The tail is the last frame repeated; what comes out beyond the end is cut off.
            last = self._pending[-1] if self._pending else self._last_frame
            assert last is not None
            self._pending.extend([last] * (self._chunk.reads - len(self._pending)))
            wanted = self._fed - self._emitted
            for finished in self._advance():
                if wanted > 0:
                    yield finished[:wanted]
                wanted -= len(finished)
        self._pending, self._ahead, self._regions = [], None, []

    def _advance(self) -> Iterator[Tensor]:
        """Run one chunk on the pending frames; yield finished ones in order, (n, H', W', 3)."""
        chunk = self._chunk
        taken = torch.stack(self._pending[: chunk.reads])
        del self._pending[: chunk.reads]
        self._last_frame = taken[-1]
        read = _send(taken, self._network.device)
        joined = read if self._ahead is None else torch.cat([self._ahead, read])
        self._ahead = joined[-LAG:]
        self._chunk = chunk_at(chunk.index + 1)
        self._emitted += chunk.emits
        yield from self._run(chunk, read, joined[: chunk.emits])

    def _run(self, chunk: Chunk, read: Tensor, emitted: Tensor) -> Iterator[Tensor]:
        """Run the chunk; yield its finished frames in order, (n, H', W', 3).

        Frames are enlarged when they are read, and again for the decoder and the colours: while
        the transformer runs, a first chunk's would take 1.2 GiB at 4K.

        Args:
            chunk: the next one of the schedule.
            read: (chunk.reads, H, W, 3), the source frames that the chunk reads.
            emitted: (chunk.emits, H, W, 3), the source frames that the chunk finishes.

        """
        canvas = self.geometry.canvas
        channels = self._network.dit.config.latent_channels
        shape = (channels, chunk.latents, canvas.height_px // 8, canvas.width_px // 8)
        noise = _send(self._noise(chunk, shape), self._network.device).to(self._network.dtype)
        if len(self._tiles) > 1:
            large = self._enlarge(emitted)
            result = self._run_tiles(chunk, self._enlarge(read), large, noise)
            yield self._finish(result, large, emitted)
            return
        (region,) = self._regions
        latents = region.denoise(chunk, self._enlarge(read), noise)
        del noise
        for part, place in region.parts(latents):
            large = self._enlarge(emitted[place])
            yield self._finish(region.decode(part, large), large, emitted[place])

    def _enlarge(self, frames: Tensor) -> Tensor:
        """Enlarge (T, H, W, 3) to the canvas: (3, T, H', W')."""
        return enlarge(frames, self.geometry, self._network.dtype)

    def _run_tiles(self, chunk: Chunk, read: Tensor, emitted: Tensor, noise: Tensor) -> Tensor:
        """Run the chunk on every tile and blend; all frames and the result at the canvas size."""
        blended = torch.zeros_like(emitted, dtype=torch.float32)
        for tile, region in zip(self._tiles, self._regions, strict=True):
            region.move(self._network.device)
            frames = region.advance(
                chunk, tile.cut(read), tile.cut(emitted), tile.cut_latents(noise)
            )
            tile.cut(blended).add_(frames * tile.weights.to(frames.device))
            self._park(region)
        return blended

    def _park(self, region: RegionStream) -> None:
        """Where several tiles take turns, let one wait outside the GPU."""
        if len(self._tiles) > 1:
            region.move(_CPU)


def _send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to the network's device without waiting for what the device has still to do."""
    if device.type == "cuda" and not tensor.is_cuda:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
