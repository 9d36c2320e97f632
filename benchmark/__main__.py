"""`python -m benchmark`: measure this machine and print, or append, a report."""

import argparse
import gc
import shlex
import sys
import warnings
from pathlib import Path

import torch

from benchmark.agreement import bfloat16_errors
from benchmark.attention import LAYERS, measure_attention
from benchmark.machine import describe, matrix_tflops
from benchmark.network import random_model
from benchmark.report import Report, SizeFigures
from benchmark.stages import steady_chunk_ms, transformer_ms
from benchmark.stream import run_stream
from benchmark.work import steady_chunk_tflop
from flashvsr_core import FlashVSR
from flashvsr_core.errors import EngineError
from flashvsr_core.geometry import CANVAS_MULTIPLE_PX, Size
from flashvsr_core.pipeline import Pipeline, choose_device
from flashvsr_core.weights.random import CONFIGS

SIZES = ("768x1408", "1152x1920", "1408x2560", "2176x3840")
"""Canvases, height first; 1080p and 4K video is worked on in 1152x1920 and 2176x3840."""


def main(arguments: list[str]) -> None:
    """Run what was asked for."""
    chosen = _parse(arguments)
    try:
        device = choose_device(chosen.device)
        report = _measure(chosen, device, f"python -m benchmark {shlex.join(arguments)}".strip())
    except EngineError as error:
        raise SystemExit(str(error)) from error
    print(report.markdown())
    if chosen.append:
        report.append_to(chosen.append)


def _measure(chosen: argparse.Namespace, device: torch.device, command: str) -> Report:
    report = Report(describe(device), command, matrix_tflops(device))
    for pipeline in chosen.pipelines:
        model = random_model(
            chosen.config, pipeline, device, attention=chosen.attention, causal=chosen.causal
        )
        for text in chosen.sizes:
            report.sizes.append(_measure_size(chosen, model, pipeline, _size(text)))
            print(f"{pipeline} {text}: done", file=sys.stderr)
        del model
        _release(device)
    if chosen.layers and device.type == "cuda":
        for layer in LAYERS:
            report.attention += measure_attention(device, layer)
            _release(device)
    if chosen.agreement and device.type == "cuda":
        for pipeline in chosen.pipelines:
            size = _size(chosen.sizes[0])
            report.agreement[f"{pipeline}, {size}"] = bfloat16_errors(chosen.config, pipeline, size)
            _release(device)
    return report


def _measure_size(
    chosen: argparse.Namespace, model: FlashVSR, pipeline: Pipeline, output: Size
) -> SizeFigures:
    first, counted = (run_stream(model, output, chosen.frames) for _ in range(2))
    file_rate = None
    if chosen.files:
        from benchmark.files import file_frames_per_second

        file_rate = file_frames_per_second(model, output, chosen.frames, chosen.preset)
    return SizeFigures(
        pipeline=pipeline,
        output=output,
        attention=model.network.attention.name,
        first=first,
        counted=counted,
        chunk_ms=steady_chunk_ms(model, output),
        transformer_ms=transformer_ms(model, output),
        tflop=steady_chunk_tflop(CONFIGS[chosen.config], output, pipeline),
        file_frames_per_second=file_rate,
    )


def _release(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _size(text: str) -> Size:
    try:
        height, width = (int(part) for part in text.split("x"))
    except ValueError:
        raise SystemExit(f"'{text}' is no size; write height x width, as in 768x1408.") from None
    if height % CANVAS_MULTIPLE_PX or width % CANVAS_MULTIPLE_PX:
        raise SystemExit(f"The sides of {text} must be multiples of {CANVAS_MULTIPLE_PX}.")
    return Size(height, width)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark", description=__doc__)
    add = parser.add_argument
    add("--pipelines", nargs="+", choices=("tiny", "full"), default=["tiny", "full"])
    add("--sizes", nargs="+", default=list(SIZES), metavar="HxW", help="canvases, height first")
    add("--frames", type=int, default=101)
    add("--config", choices=sorted(CONFIGS), default="released", help="sizes of the networks")
    add("--device", default="auto")
    add("--attention", default="auto", help="a backend's name")
    add("--causal", action="store_true", help="the projection of v1.1")
    add("--files", action="store_true", help="also from file to file")
    add("--preset", help="of the encoder, for --files")
    add("--layers", action="store_true", help="also one attention layer by every backend")
    add("--agreement", action="store_true", help="also bfloat16 against float32")
    add("--append", type=Path, metavar="FILE", help="write the report into a log")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    main(sys.argv[1:])
