"""What an evaluation found, as a table and as JSON."""

from dataclasses import dataclass
from typing import Any

from rich.table import Table

DIGITS = {"psnr": 2, "vmaf": 2, "niqe": 3, "seam_ratio": 3, "tof": 3, "warping_error": 3}


@dataclass(frozen=True)
class ClipReport:
    """One clip's scores: by method, then by metric."""

    name: str
    frames: int
    width_px: int
    height_px: int
    scores: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Report:
    """All clips' scores.

    directions: by metric, whether higher is better.
    skipped: by metric, why some or all of its scores are missing.
    """

    clips: list[ClipReport]
    methods: list[str]
    directions: dict[str, bool]
    skipped: dict[str, str]

    def means(self) -> dict[str, dict[str, float]]:
        """Return the mean over the clips that have a score, by method and metric."""
        means: dict[str, dict[str, float]] = {}
        for method in self.methods:
            means[method] = {}
            for metric in self.directions:
                values = [
                    clip.scores[method][metric]
                    for clip in self.clips
                    if metric in clip.scores[method]
                ]
                if values:
                    means[method][metric] = sum(values) / len(values)
        return means

    def as_json(self) -> dict[str, Any]:
        """Return everything in plain values."""
        return {
            "clips": [
                {
                    "name": clip.name,
                    "frames": clip.frames,
                    "width_px": clip.width_px,
                    "height_px": clip.height_px,
                    "scores": clip.scores,
                }
                for clip in self.clips
            ],
            "means": self.means(),
            "higher_is_better": self.directions,
            "skipped": self.skipped,
        }

    def table(self, title: str) -> Table:
        """Return the means, the best of each metric in bold, then every clip."""
        means = self.means()
        shown = [name for name in self.directions if any(name in row for row in means.values())]
        table = Table(title=title)
        table.add_column("clip")
        table.add_column("method")
        for name in shown:
            table.add_column(f"{name} {'↑' if self.directions[name] else '↓'}", justify="right")
        rows = [("mean", means), *((clip.name, clip.scores) for clip in self.clips)]
        for label, scores in rows:
            for position, method in enumerate(self.methods):
                cells = [self._cell(scores, method, name) for name in shown]
                is_last = position == len(self.methods) - 1
                table.add_row("" if position else label, method, *cells, end_section=is_last)
        return table

    def _cell(self, scores: dict[str, dict[str, float]], method: str, name: str) -> str:
        if name not in scores[method]:
            return "-"
        value = scores[method][name]
        best = (max if self.directions[name] else min)(
            row[name] for row in scores.values() if name in row
        )
        text = f"{value:.{DIGITS.get(name, 4)}f}"
        return f"[bold]{text}[/bold]" if value == best and len(self.methods) > 1 else text
