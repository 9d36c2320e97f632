"""Hold a whole weights folder against its manifest and against the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from flashvsr_core.errors import WeightsError
from flashvsr_core.weights.folder import WeightsFolder
from flashvsr_core.weights.manifest import (
    Manifest,
    ModelVersion,
    record_of,
    write_manifest,
)
from flashvsr_core.weights.pieces import (
    DIT,
    LQ_PROJECTION,
    PIECES,
    PROMPT,
    REQUIRED,
    TINY_DECODER,
    WAN_VAE,
)

_META = torch.device("meta")


@dataclass(frozen=True)
class Finding:
    """What was found of one piece."""

    piece: str
    file: str | None
    is_good: bool
    remark: str


def verify_weights(folder: WeightsFolder) -> Iterator[Finding]:
    """Check every piece's sha256, names and shapes; yield one finding a piece."""
    loaders = {
        DIT.name: folder.dit,
        LQ_PROJECTION.name: folder.lq_projection,
        TINY_DECODER.name: folder.tiny_decoder,
        WAN_VAE.name: folder.wan_vae,
    }
    for piece in PIECES:
        path = folder.find(piece)
        if path is None:
            remark = "missing" if piece in REQUIRED else "not there, and not needed by 'tiny'"
            yield Finding(piece.name, None, piece not in REQUIRED, remark)
            continue
        try:
            if piece.name in loaders:
                loaders[piece.name](_META, torch.float32)
            elif piece is PROMPT:
                folder.prompt()
            else:
                folder.latent_statistics()
        except WeightsError as error:
            yield Finding(piece.name, path.name, is_good=False, remark=str(error))
            continue
        recorded = path.name in folder.manifest.files
        remark = (
            "names, shapes and sha256 agree" if recorded else "names and shapes agree; no record"
        )
        yield Finding(piece.name, path.name, is_good=True, remark=remark)


def record_weights(folder: Path, version: ModelVersion) -> Manifest:
    """Write a manifest for files that came another way than by `flashvsr weights download`.

    Raises:
        WeightsError: there is no such folder, or nothing in it is a piece of a model.

    """
    opened = WeightsFolder(folder, version=version)
    paths = [path for piece in PIECES if (path := opened.find(piece))]
    if not paths:
        raise WeightsError(f"{folder} holds no weights; give the folder with the released files.")
    manifest = Manifest(
        {path.name: record_of(path, version, "recorded by the user") for path in paths},
        opened.manifest.color,
    )
    write_manifest(folder, manifest)
    return manifest
