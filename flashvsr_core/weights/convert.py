"""Write one safetensors file per piece, with the tensors that inference uses."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from flashvsr_core.errors import WeightsError
from flashvsr_core.weights.folder import WeightsFolder
from flashvsr_core.weights.manifest import Manifest, record_of, write_manifest
from flashvsr_core.weights.pieces import PIECES


def convert_weights(
    source: WeightsFolder, target: Path, dtype: torch.dtype | None = None
) -> Manifest:
    """Convert every piece that `source` has.

    Args:
        source: an opened folder.
        target: created if needed; must not hold weights yet.
        dtype: of the result; None keeps each tensor's own.

    Raises:
        WeightsError: a piece cannot be read, or `target` is not empty.

    """
    if target.exists() and any(target.iterdir()):
        raise WeightsError(f"{target} is not empty; give a new folder for the converted weights.")
    target.mkdir(parents=True, exist_ok=True)
    records = {}
    for piece in PIECES:
        found = source.find(piece)
        if found is None:
            continue
        _, tensors = source.read(piece)
        path = target / piece.converted_file
        save_file(
            {key: tensor.to(dtype or tensor.dtype).contiguous() for key, tensor in tensors.items()},
            path,
        )
        records[path.name] = record_of(path, source.version, f"converted from {found.name}")
    manifest = Manifest(records, source.manifest.color)
    write_manifest(target, manifest)
    return manifest
