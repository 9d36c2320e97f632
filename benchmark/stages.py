"""Where a steady chunk's time goes, by stage; on a GPU measured by its own clock."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, profile

from benchmark.machine import finish
from benchmark.stream import SCALE, random_clip
from flashvsr_core import FlashVSR
from flashvsr_core.finish import Finish
from flashvsr_core.geometry import Size, plan_geometry
from flashvsr_core.region import RegionStream
from flashvsr_core.schedule import chunk_at
from flashvsr_core.stream import UpscaleStream

CHUNKS = 4
"""Steady chunks that a figure is the mean of."""

_WARM_CHUNKS = 4

# Kernels of the transformer by their names, the first match counts; the rest are norms and sums.
_KERNELS = (
    ("cross-attention", ("sdpa", "fmha_cutlass", "flash_fwd_kernel")),
    ("attention", ("flash_fwd", "_attend", "flex_attention", "block_sparse", "flash::")),
    ("masks", ("kthvalue", "topk", "radix", "_local_softmax", "_list_blocks", "_pool", "f32f32")),
    ("masks", ("sgemm", "sort", "softmax")),
    ("linears", ("gemm", "nvjet", "cutlass", "cublas")),
)


def steady_chunk_ms(model: FlashVSR, output: Size) -> dict[str, float]:
    """Return milliseconds of a steady chunk: as a whole, and by stage."""
    clip = random_clip(output, chunk_at(0).reads + chunk_at(1).reads * (_WARM_CHUNKS + CHUNKS))
    geometry = plan_geometry(Size(*clip.shape[1:3]), scale=SCALE)
    warm = chunk_at(0).reads + chunk_at(1).reads * _WARM_CHUNKS
    device = model.network.device
    stream = model.stream(geometry)
    for _ in stream.feed(clip[:warm]):
        pass
    finish(device)
    with _timed(device) as stages:
        started = time.perf_counter()
        for _ in stream.feed(clip[warm:]):
            pass
        finish(device)
        whole = (time.perf_counter() - started) * 1e3 / CHUNKS
    found = {name: ms / CHUNKS for name, ms in stages().items()}
    return {"chunk": whole, **found}


def transformer_ms(model: FlashVSR, output: Size) -> dict[str, float]:
    """Return milliseconds of a steady chunk's transformer by kind of kernel; empty off a GPU."""
    if model.network.device.type != "cuda":
        return {}
    clip = random_clip(output, chunk_at(0).reads + chunk_at(1).reads * (_WARM_CHUNKS + 1))
    stream = model.stream(plan_geometry(Size(*clip.shape[1:3]), scale=SCALE))
    for _ in stream.feed(clip[: -chunk_at(1).reads]):
        pass
    original = RegionStream.predict
    found: dict[str, float] = defaultdict(float)

    def predict(self: RegionStream, *arguments: Any) -> torch.Tensor:  # noqa: ANN401
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CUDA]) as profiled:
            result = original(self, *arguments)
            torch.cuda.synchronize()
        for event in profiled.key_averages():
            found[_kind_of(event.key)] += event.self_device_time_total / 1e3
        return result

    with patch.object(RegionStream, "predict", predict):
        for _ in stream.feed(clip[-chunk_at(1).reads :]):
            pass
    return dict(found)


def _kind_of(kernel: str) -> str:
    lowered = kernel.lower()
    for kind, names in _KERNELS:
        if any(name in lowered for name in names):
            return kind
    return "norms, rotation, sums"


@contextmanager
def _timed(device: torch.device) -> Iterator[Callable[[], dict[str, float]]]:
    """Time the stages of every chunk inside; the value gives the sums in milliseconds."""
    marks: dict[str, list[tuple[Any, Any]]] = defaultdict(list)

    def mark() -> Any:  # noqa: ANN401
        if device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    places = (
        (RegionStream, "project", "LQ projection"),
        (RegionStream, "predict", "transformer"),
        (Finish, "__call__", "colour and rounding"),
        (UpscaleStream, "_run", "all of these and the decoder"),
    )
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, label in places:
        setattr(owner, name, _wrap(getattr(owner, name), marks[label], mark))

    def sums() -> dict[str, float]:
        finish(device)
        return {
            label: sum(
                (end - begin) * 1e3 if device.type != "cuda" else begin.elapsed_time(end)
                for begin, end in pairs
            )
            for label, pairs in marks.items()
        }

    try:
        yield lambda: _with_decoder(sums())
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _wrap(
    method: Callable[..., Any],
    pairs: list[tuple[Any, Any]],
    mark: Callable[[], Any],
) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:  # noqa: ANN401
        begin = mark()
        result = method(*arguments)
        if isinstance(result, Iterator):
            result = iter(list(result))
        pairs.append((begin, mark()))
        return result

    return timed


def _with_decoder(sums: dict[str, float]) -> dict[str, float]:
    """Name what is left between the other stages: the decoder, and the noise's way to it."""
    whole = sums.pop("all of these and the decoder")
    return {**sums, "decoder": whole - sum(sums.values())}
