"""Collect one line a stage and the verdict."""

from dataclasses import dataclass, field

from torch import Tensor


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Return ||actual - expected|| / ||expected|| in float64; infinity where shapes differ."""
    if actual.shape != expected.shape:
        return float("inf")
    difference = (actual.double() - expected.double()).norm()
    error = (difference / expected.double().norm().clamp_min(1e-30)).item()
    return error if error == error else float("inf")  # a NaN never passes


@dataclass
class Report:
    """The stages that were checked, skipped and failed."""

    tolerance: float
    lines: list[str] = field(default_factory=list)
    checked: int = 0
    failed: int = 0

    def compare(self, stage: str, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """Report the largest relative error of (actual, expected) pairs; none is a skip."""
        if not pairs:
            self.skip(stage)
            return
        worst = max(relative_error(actual, expected) for actual, expected in pairs)
        self._add(stage, f"largest relative error {worst:.2e}", passed=worst <= self.tolerance)

    def compare_exactly(self, stage: str, pairs: list[tuple[Tensor, Tensor]]) -> None:
        """Report how many entries of (actual, expected) pairs differ; none is a skip."""
        if not pairs:
            self.skip(stage)
            return
        wrong = total = 0
        for actual, expected in pairs:
            total += expected.numel()
            same_shape = actual.shape == expected.shape
            wrong += int((actual != expected).sum()) if same_shape else expected.numel()
        self._add(stage, f"{wrong} of {total} entries differ", passed=wrong == 0)

    def skip(self, stage: str, reason: str = "the folder has nothing to compare with") -> None:
        """Report a stage that cannot be checked."""
        self.lines.append(f"skip  {stage:<44} {reason}")

    def _add(self, stage: str, finding: str, *, passed: bool) -> None:
        self.checked += 1
        self.failed += not passed
        self.lines.append(f"{'ok  ' if passed else 'FAIL'}  {stage:<44} {finding}")

    @property
    def passed(self) -> bool:
        """True if something was checked and nothing failed."""
        return self.checked > 0 and self.failed == 0

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.checked == 0:
            return "Nothing could be checked: this is no parity folder."
        return f"{self.checked} stages checked, {self.failed} above {self.tolerance:g}."
