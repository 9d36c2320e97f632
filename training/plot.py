"""Draw the logs of a run folder: a row a stage, a panel for every loss over the steps."""

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
_DRAWN_POINTS = 200
_ACROSS = 6
_PANEL_INCHES = (1.9, 1.35)

Curve = tuple[list[int], list[float]]
"""Steps, and a value at each."""


def plot_logs(runs: Path, target: Path) -> None:
    """Write one picture in the format that the target's suffix names.

    Raises:
        TrainingError: there are no logs, or matplotlib is not installed.

    """
    logs = {stage: read_log(runs / stage / "log.jsonl") for stage in STAGES}
    curves = {stage: curves_of(lines) for stage, lines in logs.items() if lines}
    if not curves:
        raise TrainingError(f"{runs} holds no logs of any stage; train one first.")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TrainingError(
            "A plot needs the package matplotlib; install the extra 'training'."
        ) from error
    rows = [-(-len(panels) // _ACROSS) for panels in curves.values()]
    width, height = _PANEL_INCHES
    size = (width * _ACROSS, height * sum(rows) + 0.35 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    parts = figure.subfigures(len(rows), 1, height_ratios=rows, squeeze=False)[:, 0]
    for part, count, (stage, panels) in zip(parts, rows, curves.items(), strict=True):
        part.suptitle(f"{stage.replace('_', ' ')}, by steps", x=0.01, ha="left", fontsize=10)
        for index, (name, (steps, values)) in enumerate(panels.items()):
            axes = part.add_subplot(count, _ACROSS, index + 1)
            axes.set_title(name.replace("_", " "), fontsize=8)
            axes.plot(steps, values, linewidth=1)
            axes.tick_params(labelsize=6)
            axes.grid(visible=True, alpha=0.3)
    # Letters as letters: as shapes they are most of an SVG.
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(target)


def curves_of(lines: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    """Return what is drawn: all losses, and by how much frames are nearer the truth than bicubic.

    Gradients, the clock and PSNR as such are left out: PSNR tells of a step's clips.
    """
    names = sorted({name for line in lines for name in line})
    kept = [n for n in names if n not in _NOT_LOSSES and not n.endswith(_NO_LOSS_ENDS)]
    # The sum first, since the eye begins there.
    kept.sort(key=lambda name: not name.endswith("loss"))
    curves = {
        name: _curve([(line["step"], line[name]) for line in lines if name in line])
        for name in kept
    }
    for other in (n for n in names if n.endswith("psnr_db_bicubic")):
        name = other.removesuffix("_bicubic")
        gains = [(line["step"], line[name] - line[other]) for line in lines if other in line]
        curves[f"{name.removesuffix('psnr_db')}dB above bicubic"] = _curve(gains)
    return curves


def _curve(points: Sequence[tuple[int, float]]) -> Curve:
    """Smooth the points, and thin them."""
    steps, values = (list(side) for side in zip(*points, strict=True))
    smooth = moving_mean(values, max(1, len(values) // _SMOOTHED_LINES))
    every = max(1, len(values) // _DRAWN_POINTS)
    return steps[::-every][::-1], smooth[::-every][::-1]


def moving_mean(values: Sequence[float], span: int) -> list[float]:
    """Return, for each value, the mean of it and those before it, `span` in all."""
    return [
        sum(values[max(0, i - span + 1) : i + 1]) / min(i + 1, span) for i in range(len(values))
    ]
