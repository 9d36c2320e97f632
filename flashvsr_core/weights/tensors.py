"""Read the tensors of one weights file, whatever its format, and hold them against a module."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from flashvsr_core.errors import WeightsError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read `.safetensors`, or `.ckpt`, `.pth` and `.pt` without running code from them.

    A file that holds one bare tensor gives it under the name `context`.

    Raises:
        WeightsError: the file is damaged or holds something else than tensors.

    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path} cannot be read as weights ({reason}); download it again."
        ) from error
    if isinstance(loaded, Tensor):
        return {"context": loaded}
    if isinstance(loaded, Mapping) and isinstance(loaded.get("model_state"), Mapping):
        loaded = loaded["model_state"]
    if not isinstance(loaded, Mapping) or not all(isinstance(t, Tensor) for t in loaded.values()):
        raise WeightsError(f"{path} holds something else than named tensors; download it again.")
    return dict(loaded)


def fill(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Give a module built on the meta device its weights; names and shapes must agree exactly.

    Raises:
        WeightsError: names the file and the first key that is missing, misshapen or left over.

    """
    expected = module.state_dict()
    for key, parameter in expected.items():
        if key not in tensors:
            raise WeightsError(f"{path} lacks the tensor '{key}'; it is not this model's file.")
        if tensors[key].shape != parameter.shape:
            raise WeightsError(
                f"{path} has '{key}' as {tuple(tensors[key].shape)} where this model needs"
                f" {tuple(parameter.shape)}; it is not this model's file."
            )
    for key in tensors:
        if key not in expected:
            raise WeightsError(
                f"{path} has the tensor '{key}', which this model does not know; it is not this"
                " model's file."
            )
    # Tensor by tensor, so that a float32 file never stands on the GPU as a whole.
    placed = {key: tensor.to(device, dtype) for key, tensor in tensors.items()}
    module.load_state_dict(placed, assign=True)
    module.eval().requires_grad_(requires_grad=False)
