"""Draw the logs of a run folder: one panel a stage, every loss over the steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.errors import TrainingError
from training.log import read_log
from training.stages import STAGES

_NOT_LOSSES = ("step", "minutes", "rate")
_NO_LOSS_ENDS = ("gradient", "psnr_db", "psnr_db_bicubic")
_SMOOTHED_LINES = 50
"""The moving mean spans this part of a log."""


def plot_logs(runs: Path, target: Path) -> None:
    """Write one picture in the format that the target's suffix names.

    Raises:
        TrainingError: there are no logs, or matplotlib is not installed.

    """
    logs = {stage: read_log(runs / stage / "log.jsonl") for stage in STAGES}
    logs = {stage: lines for stage, lines in logs.items() if lines}
    if not logs:
        raise TrainingError(f"{runs} holds no logs of any stage; train one first.")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TrainingError(
            "A plot needs the package matplotlib; install the extra 'training'."
        ) from error
    figure = Figure(figsize=(9, 2.6 * len(logs)), layout="constrained")
    for index, (stage, lines) in enumerate(logs.items()):
        axes = figure.add_subplot(len(logs), 1, index + 1)
        axes.set_title(stage.replace("_", " "), loc="left")
        axes.set_xlabel("step")
        axes.set_ylabel("relative to the first")
        for name in curves_of(lines):
            points = [(line["step"], line[name]) for line in lines if name in line]
            steps, values = zip(*points, strict=True)
            axes.plot(steps, relative(list(values)), label=name.replace("_", " "), linewidth=1)
        axes.set_yscale("log")
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend(fontsize="x-small", ncols=3)
    figure.savefig(target)


def curves_of(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of what is drawn: all losses, no gradients, no quality and no clock."""
    names = sorted({name for line in lines for name in line})
    return [n for n in names if n not in _NOT_LOSSES and not n.endswith(_NO_LOSS_ENDS)]


def relative(values: list[float]) -> list[float]:
    """Return the moving mean of values, divided by its first: terms of any size share one axis."""
    span = max(1, len(values) // _SMOOTHED_LINES)
    smooth = [
        sum(values[max(0, i - span + 1) : i + 1]) / min(i + 1, span) for i in range(len(values))
    ]
    first = next((value for value in smooth if value), 1.0)
    return [value / first for value in smooth]
