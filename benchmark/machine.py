"""What the figures were measured on, and what its matrix units give in the same run."""

import platform
import statistics
import time
from importlib.metadata import PackageNotFoundError, version

import torch

_SIDE = 8192


def describe(device: torch.device) -> str:
    """Return the chip and the versions in one line."""
    names = ("torch", "triton", "flash-attn-4")
    versions = [f"{name} {found}" for name in names if (found := _version(name))]
    if device.type == "cuda":
        chip = torch.cuda.get_device_name(device)
        versions.append(f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    else:
        chip = f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    return f"{chip}; {', '.join(versions)}; Python {platform.python_version()}"


def matrix_tflops(device: torch.device) -> float:
    """Return TFLOP/s of a large bfloat16 product on random numbers; float32 on the CPU."""
    side = _SIDE if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    times_s = []
    for _ in range(12):
        finish(device)
        started = time.perf_counter()
        torch.mm(a, b)
        finish(device)
        times_s.append(time.perf_counter() - started)
    return 2 * side**3 / statistics.median(times_s[2:]) / 1e12


def finish(device: torch.device) -> None:
    """Wait until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
