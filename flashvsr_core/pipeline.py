"""FlashVSR: the loaded model, from which every video gets a stream of its own."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from flashvsr_core.decoder import Decoder
from flashvsr_core.dit.attention import choose_backend
from flashvsr_core.errors import DeviceUnavailableError
from flashvsr_core.geometry import Geometry
from flashvsr_core.network import Network
from flashvsr_core.scenes import SceneStreams
from flashvsr_core.settings import StreamSettings
from flashvsr_core.stream import UpscaleStream
from flashvsr_core.weights import ModelVersion, WeightsFolder

Pipeline = Literal["tiny", "full"]


class FlashVSR:
    """Immutable weights on one device; nothing of one video can reach the next through it."""

    def __init__(self, network: Network) -> None:
        """Wrap loaded networks; `load` is the usual way."""
        self.network = network

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        pipeline: Pipeline = "tiny",
        device: str = "auto",
        attention: str = "auto",
        version: ModelVersion | None = None,
    ) -> "FlashVSR":
        """Load a weights folder.

        Args:
            folder: released files as they are, or converted ones; checked against its manifest.
            pipeline: `tiny` decodes with the tiny conditional decoder, `full` with the Wan VAE.
            device: `auto`, `cuda`, `cuda:N` or `cpu`; bfloat16 on a GPU, float32 on the CPU.
            attention: a name of `BACKEND_NAMES`, or `auto`.
            version: `v1` or `v1.1`, for folders whose manifest does not tell.

        Raises:
            WeightsError: a file is missing, damaged or of another model.
            AttentionUnavailableError: the backend does not run on this device.
            DeviceUnavailableError: there is no such device here.

        """
        place = choose_device(device)
        # bfloat16 is about 400 times slower than float32 on CPUs without matrix units for it.
        dtype = torch.bfloat16 if place.type == "cuda" else torch.float32
        backend = choose_backend(attention, place)
        weights = WeightsFolder(folder, version=version)
        decoder: Decoder = (
            weights.tiny_decoder(place, dtype)
            if pipeline == "tiny"
            else weights.wan_vae(place, dtype)
        )
        dit = weights.dit(place, dtype)
        conditioning = dit.condition(weights.prompt())
        dit.release()
        projection = weights.lq_projection(place, dtype)
        projection.release()
        return cls(
            Network(
                dit=dit,
                conditioning=conditioning,
                lq_projection=projection,
                decoder=decoder,
                attention=backend,
                device=place,
                dtype=dtype,
                color=weights.manifest.color,
            )
        )

    def stream(
        self, geometry: Geometry, settings: StreamSettings | None = None
    ) -> UpscaleStream | SceneStreams:
        """Start one video."""
        chosen = settings or StreamSettings()
        start = partial(UpscaleStream, self.network, geometry, chosen)
        return SceneStreams(start) if chosen.restarts_at_cuts else start()

    def upscale(
        self,
        frames: Iterable[Tensor],
        geometry: Geometry,
        settings: StreamSettings | None = None,
    ) -> Iterator[Tensor]:
        """Enlarge batches of frames (T, H, W, 3) and yield batches (n, H', W', 3).

        Exactly as many frames come out as go in; dtypes and errors as in `UpscaleStream.feed`.
        """
        stream = self.stream(geometry, settings)
        for batch in frames:
            yield from stream.feed(batch)
        yield from stream.flush()


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is the GPU where there is one.

    Raises:
        DeviceUnavailableError: there is no such device here.

    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    places = ["cpu", "cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name not in places or (name == "cuda" and not torch.cuda.is_available()):
        gpus = f"{torch.cuda.device_count()} GPUs" if torch.cuda.is_available() else "no GPU"
        raise DeviceUnavailableError(
            f"There is no device '{name}': torch sees {gpus} here; choose auto, or cpu."
        )
    return torch.device(name)
