"""`flashvsr upscale`: enlarge one video, image or folder of images."""

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.errors import UsageError
from cli.folders import default_weights
from cli.progress import progress_bar
from cli.sizes import parse_size
from media.encoding import Encoding
from media.frame import FrameSource
from media.open import open_sink, open_source

if TYPE_CHECKING:
    from flashvsr_core import FlashVSR, Geometry
    from upscaling import Progress


def upscale(
    path: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A video, image or folder of images.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Appears when it is whole.")],
    scale: Annotated[int | None, typer.Option(help="2, 3 or 4.", show_default="4")] = None,
    size: Annotated[
        str | None, typer.Option(help="Output size instead, such as 1920x1080.")
    ] = None,
    pipeline: Annotated[
        Literal["tiny", "full"], typer.Option(help="The fast decoder or the large one.")
    ] = "tiny",
    weights: Annotated[
        Path | None, typer.Option(help="Weights folder; else the downloaded one.")
    ] = None,
    model_version: Annotated[
        Literal["v1", "v1.1"] | None,
        typer.Option(help="Where the weights' manifest does not tell."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 0,
    attention: Annotated[
        str, typer.Option(help="auto, block_sparse_attn, flex or reference.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N or cpu.")] = "auto",
    color: Annotated[
        Literal["adain", "wavelet", "none"],
        typer.Option(help="How colours are matched to the source."),
    ] = "adain",
    codec: Annotated[
        Literal["h264", "hevc", "av1"] | None,
        typer.Option(help="Of the output.", show_default="h264, hevc for 10 bit"),
    ] = None,
    bit_depth: Annotated[
        int | None, typer.Option(help="8 or 10.", show_default="as the source")
    ] = None,
    crf: Annotated[int | None, typer.Option(help="Constant quality; lower is better.")] = None,
    preset: Annotated[str | None, typer.Option(help="The encoder's preset.")] = None,
    hardware: Annotated[
        Literal["auto", "none", "nvenc"], typer.Option(help="Encode in hardware.")
    ] = "none",
    hwaccel: Annotated[
        Literal["none", "auto", "cuda"],
        typer.Option(help="Decode in hardware; it paints over damage instead of reporting it."),
    ] = "none",
    tile: Annotated[
        int | None, typer.Option(help="Tile side in output pixels, for small GPUs; costs quality.")
    ] = None,
    local_range: Annotated[int, typer.Option(help="11 is more stable, 9 sharper.")] = 11,
    sparse_ratio: Annotated[float, typer.Option(help="2.0 is more stable, 1.5 faster.")] = 2.0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Enlarge a video: same frames, same timing, same sound."""
    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists; add --overwrite or choose another name")
    if scale is not None and size is not None:
        raise UsageError("--scale and --size exclude each other; give one of them")
    with open_source(path, hwaccel=hwaccel) as source:
        depth = _depth_of(source) if bit_depth is None else bit_depth
        if depth not in (8, 10):
            raise UsageError(f"A bit depth of {depth} is not supported; choose 8 or 10")
        encoding = Encoding(
            codec=codec or ("h264" if depth == 8 else "hevc"),
            bit_depth=10 if depth == 10 else 8,
            crf=crf,
            preset=preset,
            hardware=hardware,
        )
        # Torch takes seconds to import, so mistakes in the arguments are reported before it.
        from flashvsr_core import FlashVSR, StreamSettings
        from upscaling import upscale as run

        geometry = _geometry(source, scale, size)
        settings = StreamSettings(
            seed=seed,
            color=color,
            bit_depth=depth,
            local_range=local_range,
            sparse_ratio=sparse_ratio,
            tile_px=tile,
        )
        sink = open_sink(
            output, source, geometry.output.width_px, geometry.output.height_px, encoding
        )
        try:
            for note in getattr(sink, "notes", ()):
                print(note, file=sys.stderr)
            model = FlashVSR.load(
                weights or _find_weights(),
                pipeline=pipeline,
                device=device,
                attention=attention,
                version=model_version,
            )
            with progress_bar(path.name, is_shown=sys.stderr.isatty() and not as_json) as update:
                done = run(model, source, sink, geometry, settings, update)
        except BaseException:
            sink.abort()
            raise
    _print_result(output, geometry, done, model, as_json=as_json)


def _depth_of(source: FrameSource) -> int:
    return 8 if source.bit_depth == 8 else 10


def _geometry(source: FrameSource, scale: int | None, size: str | None) -> "Geometry":
    from flashvsr_core import Size, plan_geometry

    frame = Size(source.height_px, source.width_px)
    if size is None:
        return plan_geometry(frame, scale=4 if scale is None else scale)
    width_px, height_px = parse_size(size)
    return plan_geometry(frame, output=Size(height_px, width_px))


def _find_weights() -> Path:
    folder = default_weights()
    if folder is None:
        raise UsageError(
            "No weights were found; run 'flashvsr weights download', or give a folder with"
            " --weights"
        )
    return folder


def _print_result(
    output: Path, geometry: "Geometry", done: "Progress", model: "FlashVSR", *, as_json: bool
) -> None:
    memory = _peak_memory(model)
    if as_json:
        facts: dict[str, Any] = {
            "output": str(output),
            "width_px": geometry.output.width_px,
            "height_px": geometry.output.height_px,
            "frames": done.frames_done,
            "elapsed_s": round(done.elapsed_s, 3),
            "frames_per_second": round(done.frames_per_second, 3),
            "device": str(model.network.device),
            **memory,
        }
        print(json.dumps(facts))
        return
    names = {"peak_memory_bytes": "memory", "peak_gpu_memory_bytes": "GPU memory"}
    peak = ", ".join(f"{value / 2**30:.2f} GiB {names[key]}" for key, value in memory.items())
    print(
        f"{output}: {done.frames_done} frames of {geometry.output} in {done.elapsed_s:.1f} s"
        f" ({done.frames_per_second:.2f} frames/s; {peak})"
    )


def _peak_memory(model: "FlashVSR") -> dict[str, int]:
    # Linux counts the peak resident set in KiB.
    peaks = {"peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if model.network.device.type == "cuda":
        import torch

        peaks["peak_gpu_memory_bytes"] = torch.cuda.max_memory_allocated(model.network.device)
    return peaks
