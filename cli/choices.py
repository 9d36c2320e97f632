"""What is chosen of a job, the same wherever jobs are asked for; None leaves it to the service."""

from typing import Annotated, Any, Literal

import typer

from cli.errors import UsageError
from cli.sizes import parse_size

Pipeline = Annotated[Literal["tiny", "full"] | None, typer.Option()]
Scale = Annotated[int | None, typer.Option(help="2, 3 or 4.", show_default="4")]
OutputSize = Annotated[
    str | None, typer.Option("--size", help="Output size instead, as 1920x1080.")
]
ColorName = Literal["auto", "adain", "wavelet", "source", "none"]
Color = Annotated[ColorName | None, typer.Option()]
Codec = Annotated[Literal["h264", "hevc", "av1"] | None, typer.Option()]
BitDepth = Annotated[int | None, typer.Option(help="8 or 10.")]
Crf = Annotated[int | None, typer.Option()]
Container = Annotated[Literal["mp4", "mov", "mkv", "webm"] | None, typer.Option()]
Queue = Annotated[str | None, typer.Option(help="GPU class.")]
Priority = Annotated[int | None, typer.Option(help="Higher runs earlier.")]
Suffixes = Annotated[
    list[str] | None, typer.Option("--suffix", help="Only keys that end so; may be repeated.")
]
OnCollision = Annotated[
    Literal["skip", "fail", "version"] | None,
    typer.Option(help="Where something lies there; nothing is ever overwritten."),
]


def chosen(*, size: str | None, **choices: object) -> dict[str, Any]:
    """Return what was chosen, under the names that the service gives it.

    Raises:
        UsageError: both a scale and a size were given, or the size is none.

    """
    if size is not None and choices.get("scale") is not None:
        raise UsageError("--scale and --size exclude each other; give one of them")
    if size is not None:
        choices["width_px"], choices["height_px"] = parse_size(size)
    return {name: value for name, value in choices.items() if value is not None}
