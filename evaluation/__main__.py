"""`python -m evaluation`: pictures and tables for the documentation."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    help="Make pictures and tables of how good a model is.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def picture(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="A video, or a folder of images.")],
    frame: Annotated[int, typer.Argument(metavar="FRAME", help="Its number, from 0.")],
    crop: Annotated[str, typer.Argument(metavar="CROP", help="The detail: WIDTHxHEIGHT+LEFT+TOP.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="A .webp or .png file.")],
    weights: Annotated[
        str, typer.Option(metavar="DIR|NAME", help="A weights folder, or a bundled model.")
    ] = "nano",
    degradation: Annotated[
        Literal["bicubic", "training"], typer.Option(help="How low quality is made of truth.")
    ] = "bicubic",
    zoom: Annotated[int, typer.Option(min=1, help="Of the detail.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N or cpu.")] = "auto",
) -> None:
    """Reduce a clip by 4, enlarge it again, and show bicubic, model and truth side by side."""
    from evaluation.clips import read_frames
    from evaluation.methods import BASELINES, Model, model_name
    from evaluation.picture import FRAMES_AFTER, Crop, compose, make_panels
    from flashvsr_core import FlashVSR, StreamSettings
    from flashvsr_core.weights.names import find_weights

    folder = find_weights(weights)
    chosen = Crop.parse(crop)
    truth = read_frames(clip, frame + 1 + FRAMES_AFTER)
    chosen.of(truth[0])
    loaded = FlashVSR.load(folder, device=device)
    model = Model(loaded, StreamSettings(), model_name(folder))
    panels = make_panels(truth, frame, clip.stem, degradation, [BASELINES[0], model])
    compose(panels, chosen, zoom).save(output, quality=90)
    typer.echo(output)


@app.command()
def tables(
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT...", help="From flashvsr evaluate --output.")
    ],
    into: Annotated[
        Path | None, typer.Option(help="A page; the table is written between its marks.")
    ] = None,
    name: Annotated[str, typer.Option(help="Of the marks: <!-- table: NAME -->.")] = "evaluation",
) -> None:
    """Print reports as Markdown tables, or write them into a page."""
    from evaluation.tables import tables as draw
    from evaluation.tables import write_between

    text = draw(reports)
    if into is None:
        typer.echo(text, nl=False)
        return
    write_between(into, name, text)
    typer.echo(into)


def main() -> int:
    """Run the command; an error is one sentence and exit code 1."""
    from flashvsr_core.errors import EngineError
    from media.errors import MediaError

    try:
        app(standalone_mode=False)
    except (MediaError, EngineError) as error:
        typer.echo(f"{str(error).rstrip('.')}.", err=True)
        return 1
    except typer.Abort:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
