"""`flashvsr upscale`: enlarge a video, an image, a folder of images, or a folder of videos."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.choices import ColorName
from cli.enlarging import Enlarger, Machine, Options
from cli.errors import FAILED, UsageError
from cli.folders import Weights
from cli.video_folder import enlarge_folder, holds_videos


def upscale(
    path: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A video, an image, or a folder of either.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Appears when it is whole.")],
    scale: Annotated[int | None, typer.Option(help="2, 3 or 4.", show_default="4")] = None,
    size: Annotated[
        str | None, typer.Option(help="Output size instead, such as 1920x1080.")
    ] = None,
    pipeline: Annotated[
        Literal["tiny", "full"], typer.Option(help="The fast decoder or the large one.")
    ] = "tiny",
    weights: Weights = None,
    model_version: Annotated[
        Literal["v1", "v1.1"] | None,
        typer.Option(help="Where the weights' manifest does not tell."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 0,
    attention: Annotated[
        str, typer.Option(help="auto, or a backend that `flashvsr doctor` lists.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N or cpu.")] = "auto",
    color: Annotated[
        ColorName,
        typer.Option(help="How colours are matched to the source; auto is as suits the weights."),
    ] = "auto",
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
    """Enlarge a video: same frames, same timing, same sound.

    Of a folder with videos, at any depth, each is enlarged into OUTPUT under its own name; begun
    again, it goes on with what is not finished. A folder with nothing but images is one sequence.
    """
    options = Options(
        scale=scale,
        size=size,
        seed=seed,
        color=color,
        codec=codec,
        bit_depth=bit_depth,
        crf=crf,
        preset=preset,
        tile=tile,
        local_range=local_range,
        sparse_ratio=sparse_ratio,
    )
    machine = Machine(pipeline, weights, model_version, attention, device, hardware, hwaccel)
    enlarger = Enlarger(options, machine)
    has_bar = sys.stderr.isatty() and not as_json
    if holds_videos(path):
        fates = enlarge_folder(
            enlarger, options, pipeline, path, output, overwrite=overwrite, has_bar=has_bar,
            as_json=as_json,
        )  # fmt: skip
        if fates["failed"]:
            raise typer.Exit(FAILED)
        return
    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists; add --overwrite or choose another name")
    made = enlarger.enlarge(path, output, has_bar=has_bar)
    for note in made.notes:
        print(note, file=sys.stderr)
    print(json.dumps(made.as_json()) if as_json else made)
