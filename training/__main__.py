"""`python -m training`: run a stage, plot logs, export weights, carry checkpoints."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from training.errors import TrainingError

app = typer.Typer(help="Train FlashVSR models.", no_args_is_help=True, add_completion=False)

Runs = Annotated[Path, typer.Argument(metavar="RUNS", help="The run folder: one folder a stage.")]


@app.command()
def run(
    config: Annotated[list[Path], typer.Option(help="A stage's TOML file; several run in turn.")],
    runs: Annotated[Path, typer.Option("--runs", metavar="RUNS", help="The run folder.")],
    data: Annotated[str | None, typer.Option(help="In place of the configuration's set.")] = None,
    minutes: Annotated[
        list[float] | None, typer.Option(help="Stop after so many; one for each --config.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after this step of the stage.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Let the learning rate fall to 0 within --minutes.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
) -> None:
    """Train one stage, or several one after the other; under torchrun with all its processes."""
    from training.config import read_config
    from training.running import run_stages
    from training.trainer import RunLimits

    if minutes and len(minutes) != len(config):
        raise TrainingError("Give --minutes once for each --config, or not at all.")
    limits = [
        RunLimits(minutes=minutes[i] if minutes else None, steps=steps, finish=finish)
        for i in range(len(config))
    ]
    stages = [read_config(path) for path in config]
    run_stages(
        list(zip(stages, limits, strict=True)),
        runs,
        data=data,
        resume=resume,
        device=device,
        say=lambda line: typer.echo(line, err=True),
    )


@app.command()
def plot(runs: Runs, target: Annotated[Path, typer.Argument(metavar="PICTURE.svg")]) -> None:
    """Draw the logs of all stages as one picture."""
    from training.plot import plot_logs

    plot_logs(runs, target)
    typer.echo(target)


@app.command()
def export(
    runs: Runs,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New; a weights folder.")],
    after: Annotated[str, typer.Option(help="The stage whose transformer is taken.")] = (
        "distillation"
    ),
    card: Annotated[
        Path | None, typer.Option(help="The model card, copied beside the weights.")
    ] = None,
) -> None:
    """Write the averaged weights as a weights folder in float16."""
    from training.export import export_weights

    export_weights(runs, folder, after, card)
    typer.echo(folder)


@app.command()
def carry(
    runs: Runs, folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Parts go here.")]
) -> None:
    """Write all stages' averaged weights and logs as files of at most 15 MiB."""
    from training.carrying import pack_runs

    for path in pack_runs(runs, folder):
        typer.echo(path)


@app.command()
def unpack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `carry` wrote.")],
    runs: Runs,
) -> None:
    """Make a run folder again of what `carry` wrote; optimizers begin anew, with a warm-up."""
    from training.carrying import unpack_runs

    unpack_runs(folder, runs)
    typer.echo(runs)


def main() -> int:
    """Run the command; an error is one sentence and exit code 1."""
    from flashvsr_core.errors import EngineError
    from training.data.errors import DataError

    try:
        app(standalone_mode=False)
    except (TrainingError, DataError, EngineError) as error:
        typer.echo(str(error), err=True)
        return 1
    except typer.Abort:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
