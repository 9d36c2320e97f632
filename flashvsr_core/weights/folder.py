"""A weights folder, opened: finds, checks and loads its pieces."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from flashvsr_core.dit.model import DiT, DiTConfig
from flashvsr_core.errors import WeightsError
from flashvsr_core.kernels.convolution import use_channels_last
from flashvsr_core.lq_projection import LQProjection, LQProjectionConfig
from flashvsr_core.tiny_decoder import TinyDecoder, TinyDecoderConfig
from flashvsr_core.wan_vae import LatentStatistics, WanVAE, WanVAEConfig
from flashvsr_core.weights.manifest import ModelVersion, read_manifest
from flashvsr_core.weights.pieces import (
    DIT,
    LATENT_STATISTICS,
    LQ_PROJECTION,
    PROMPT,
    TINY_DECODER,
    WAN_VAE,
    Piece,
)
from flashvsr_core.weights.tensors import fill, read_tensors

Shapes = Mapping[str, torch.Size]
M = TypeVar("M", bound=nn.Module)


class WeightsFolder:
    """The pieces of one model. Sizes are read from the files: nothing is fixed to one model."""

    def __init__(self, folder: Path, *, version: ModelVersion | None = None) -> None:
        """Open a folder.

        Args:
            folder: holds the pieces under their released or their converted names.
            version: of the projection, where the manifest does not tell; else it must agree.

        Raises:
            WeightsError: there is no such folder, or its pieces are of different versions.

        """
        if not folder.is_dir():
            raise WeightsError(
                f"There is no weights folder {folder}; run 'flashvsr weights download' or give"
                " another one with --weights."
            )
        self.path = folder
        self.manifest = read_manifest(folder)
        self.recorded_version = self._recorded_version()
        if version and self.recorded_version and version != self.recorded_version:
            raise WeightsError(
                f"{folder} holds version {self.recorded_version}, not {version}; leave the version"
                " out or give another folder."
            )
        self.version: ModelVersion = self.recorded_version or version or "v1"

    def _recorded_version(self) -> ModelVersion | None:
        """Return the version of DiT and projection, which must be the same."""
        versions = {}
        for piece in (DIT, LQ_PROJECTION):
            path = self.find(piece)
            record = self.manifest.files.get(path.name) if path else None
            if record:
                versions[piece.name] = record.version
        if len(set(versions.values())) > 1:
            told = " and ".join(f"a {version} {name}" for name, version in versions.items())
            raise WeightsError(
                f"{self.path} mixes {told}; they give a wrong picture together, so download both"
                " of one version."
            )
        return next(iter(versions.values()), None)

    def find(self, piece: Piece) -> Path | None:
        """Return the piece's file, a converted one first, or None."""
        for name in (piece.converted_file, piece.released_file):
            if name and (self.path / name).is_file():
                return self.path / name
        return None

    def read(self, piece: Piece) -> tuple[Path, dict[str, Tensor]]:
        """Return a piece's file, checked against the manifest, and its tensors on the CPU.

        Raises:
            WeightsError: it is missing, differs from its record, or cannot be read.

        """
        path = self.find(piece)
        if path is None:
            names = " or ".join(n for n in (piece.released_file, piece.converted_file) if n)
            raise WeightsError(f"{self.path} lacks {names}; download the weights again.")
        self.manifest.check(path)
        used = {
            key: tensor
            for key, tensor in read_tensors(path).items()
            if not key.startswith(piece.ignored_prefixes)  # never true for the empty tuple
        }
        return path, used

    def dit(self, device: torch.device, dtype: torch.dtype) -> DiT:
        """Load the diffusion transformer."""
        return self._load(DIT, lambda shapes: DiT(DiTConfig.of(shapes)), device, dtype)

    def lq_projection(self, device: torch.device, dtype: torch.dtype) -> LQProjection:
        """Load the projection as its version wants it: causal for v1.1."""
        causal = self.version == "v1.1"
        return self._load(
            LQ_PROJECTION,
            lambda shapes: LQProjection(LQProjectionConfig.of(shapes), causal=causal),
            device,
            dtype,
        )

    def tiny_decoder(self, device: torch.device, dtype: torch.dtype) -> TinyDecoder:
        """Load the tiny conditional decoder."""
        decoder = self._load(
            TINY_DECODER, lambda shapes: TinyDecoder(TinyDecoderConfig.of(shapes)), device, dtype
        )
        return use_channels_last(decoder)

    def wan_vae(self, device: torch.device, dtype: torch.dtype) -> WanVAE:
        """Load the Wan VAE's decoder, with the folder's own latent statistics if it has some."""
        statistics = (
            self.latent_statistics() if self.find(LATENT_STATISTICS) else LatentStatistics.wan21()
        )
        return self._load(
            WAN_VAE, lambda shapes: WanVAE(WanVAEConfig.of(shapes), statistics), device, dtype
        )

    def latent_statistics(self) -> LatentStatistics:
        """Load the mean and standard deviation of this model's own latent channels."""
        path, tensors = self.read(LATENT_STATISTICS)
        if tensors.keys() != {"mean", "std"}:
            raise WeightsError(f"{path} must hold exactly the tensors 'mean' and 'std'.")
        return LatentStatistics(tensors["mean"].float(), tensors["std"].float())

    def prompt(self) -> Tensor:
        """Load the prompt embedding, (1, text tokens, text width)."""
        path, tensors = self.read(PROMPT)
        context = tensors.get("context")
        if context is None or context.ndim != 3 or context.shape[0] != 1:
            raise WeightsError(f"{path} does not hold one prompt embedding; download it again.")
        return context

    def _load(
        self,
        piece: Piece,
        build: Callable[[Shapes], M],
        device: torch.device,
        dtype: torch.dtype,
    ) -> M:
        path, tensors = self.read(piece)
        try:
            with torch.device("meta"):
                module = build({key: tensor.shape for key, tensor in tensors.items()})
        except (KeyError, IndexError) as error:
            raise WeightsError(
                f"{path} lacks the tensor {error}; it is not this model's file."
            ) from error
        fill(module, tensors, path, device, dtype)
        return module.to(device)
