"""Samples as charts: which lines stand together, what they are called, in which unit."""

from dataclasses import dataclass
from typing import Any, Literal

from jobs.repository import Repository
from jobs.repository.samples import FARM, Plot, Span

Unit = Literal["count", "per_hour", "frames_per_s", "seconds", "bytes", "share"]

_LINES_MAX = 12
"""More lines than that tell nothing."""
_PER_HOUR = 60.0
"""Samples of what ended are counts for a minute."""


@dataclass(frozen=True)
class _Chart:
    name: str
    title: str
    unit: Unit
    series: tuple[tuple[str, str], ...]
    """Of which samples, and what the farm's own line is called."""
    by_subject: bool = False
    """A line for each queue or worker instead of one for the farm."""
    factor: float = 1.0


_CHARTS = (
    _Chart("throughput", "Throughput", "frames_per_s", (("frames_per_s", "all workers"),)),
    _Chart(
        "ended",
        "Jobs per hour",
        "per_hour",
        (("succeeded", "succeeded"), ("failed", "failed"), ("canceled", "canceled")),
        factor=_PER_HOUR,
    ),
    _Chart("errors", "Error rate", "share", ()),
    _Chart("waiting", "Waiting jobs", "count", (("waiting", ""),), by_subject=True),
    _Chart(
        "running",
        "Running jobs and workers",
        "count",
        (("running", "running"), ("workers", "workers")),
    ),
    _Chart("oldest", "Oldest wait", "seconds", (("oldest_wait_s", ""),), by_subject=True),
    _Chart("gpu", "GPU utilisation", "share", (("gpu_busy", ""),), by_subject=True),
    _Chart("memory", "GPU memory", "bytes", (("gpu_memory_bytes", ""),), by_subject=True),
)
_FARM_SERIES = ("frames_per_s", "succeeded", "failed", "canceled", "running", "workers")
_SUBJECT_SERIES = ("waiting", "oldest_wait_s", "gpu_busy", "gpu_memory_bytes")


TITLES = tuple((chart.name, chart.title) for chart in _CHARTS)
"""What charts there are, in their order."""


def charts_of(rows: Repository, span: Span) -> list[dict[str, Any]]:
    """Read all charts of the overview, in plain JSON types."""
    farm = rows.samples.plot(span, _FARM_SERIES, farm_only=True)
    subjects = rows.samples.plot(span, _SUBJECT_SERIES)
    return [_drawn(chart, farm, subjects) for chart in _CHARTS]


def _drawn(chart: _Chart, farm: Plot, subjects: Plot) -> dict[str, Any]:
    if chart.name == "errors":
        lines = {"failed of all that ended": _error_rate(farm)}
    elif chart.by_subject:
        (series, _), *_ = chart.series
        lines = _of_subjects(subjects, series)
    else:
        lines = {label: farm.lines.get((series, FARM), []) for series, label in chart.series}
    drawn = [
        {"label": label, "values": [_scaled(value, chart.factor) for value in values]}
        for label, values in lines.items()
        if any(value is not None for value in values)
    ]
    return {
        "name": chart.name,
        "title": chart.title,
        "unit": chart.unit,
        "at": farm.at,
        "lines": drawn,
    }


def _of_subjects(plot: Plot, series: str) -> dict[str, list[float | None]]:
    found = {
        subject: values
        for (name, subject), values in sorted(plot.lines.items())
        if name == series and subject != FARM
    }
    if len(found) <= _LINES_MAX:
        return found
    # Of many workers the mean is what one can still see.
    columns = zip(*found.values(), strict=True)
    return {f"mean of {len(found)}": [_mean(column) for column in columns]}


def _mean(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _error_rate(farm: Plot) -> list[float | None]:
    good = farm.lines.get(("succeeded", FARM), [])
    bad = farm.lines.get(("failed", FARM), [])
    return [
        b / (g + b) if g is not None and b is not None and g + b else None
        for g, b in zip(good, bad, strict=False)
    ]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else round(value * factor, 4)
