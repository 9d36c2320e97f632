"""Reports of `flashvsr evaluate` as Markdown tables: no number is typed by hand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.errors import EvaluationDataError
from evaluation.report import DIGITS

Scores = dict[str, float]


@dataclass(frozen=True)
class Setting:
    """What two reports must have in common for their numbers to stand in one table.

    clips: name, frames, width and height of each.
    """

    degradation: str
    scale: int
    clips: tuple[tuple[str, int, int, int], ...]

    @property
    def sentence(self) -> str:
        """What stands above the table."""
        frames = sorted({clip[1] for clip in self.clips})
        lengths = str(frames[0]) if len(frames) == 1 else f"{frames[0]} to {frames[-1]}"
        low = "given" if self.degradation == "given" else f"`{self.degradation}`"
        return (
            f"Mean over {len(self.clips)} clips of {lengths} frames, scale {self.scale},"
            f" {low} low quality:"
        )


def tables(reports: Sequence[Path]) -> str:
    """Return one table for each setting, and a row for each method; what repeats is shown once.

    Args:
        reports: JSON files; rows come in their order.

    Raises:
        EvaluationDataError: a file is no report, or two of them disagree about one method.

    """
    found: dict[Setting, dict[str, Scores]] = {}
    higher: dict[str, bool] = {}
    for path in reports:
        setting, means, directions = _read(path)
        rows = found.setdefault(setting, {})
        higher |= directions
        for method, scores in means.items():
            if rows.setdefault(method, scores) != scores:
                raise EvaluationDataError(
                    f"{path} has other numbers for {method} than a report before it; evaluate both"
                    " with the same metrics, and models in folders of different names"
                )
    return "\n".join(_table(setting, rows, higher) for setting, rows in found.items())


def write_between(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- table: NAME -->` and `<!-- end -->` on a page.

    Raises:
        EvaluationDataError: the page has no such marks.

    """
    whole = page.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(f"<!-- table: {name} -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    if not begin or not end:
        raise EvaluationDataError(
            f"{page} has no place for this table; write '<!-- table: {name} -->' and"
            " '<!-- end -->' there, each on a line of its own"
        )
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def _read(path: Path) -> tuple[Setting, dict[str, Scores], dict[str, bool]]:
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        clips = tuple(
            (clip["name"], clip["frames"], clip["width_px"], clip["height_px"])
            for clip in report["clips"]
        )
        setting = Setting(report["degradation"], report["scale"], clips)
        return setting, report["means"], report["higher_is_better"]
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationDataError(
            f"{path} is no report ({error!r}); write one with flashvsr evaluate --output"
        ) from error


def _table(setting: Setting, rows: dict[str, Scores], higher: dict[str, bool]) -> str:
    names = [name for name in higher if any(name in scores for scores in rows.values())]
    heads = [f"{name} {'↑' if higher[name] else '↓'}" for name in names]
    lines = [setting.sentence, "", _line(["method", *heads]), _line(["---"] * (len(names) + 1))]
    for method, scores in rows.items():
        cells = [f"{scores[n]:.{DIGITS.get(n, 4)}f}" if n in scores else "-" for n in names]
        lines.append(_line([method, *cells]))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
