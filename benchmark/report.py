"""Figures as Markdown, for the terminal and for docs/performance.md."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmark.attention import AttentionFigures
from benchmark.stream import GIB, StreamFigures
from flashvsr_core.geometry import Size

_PLACE = "<!-- newest first -->\n"


@dataclass
class SizeFigures:
    """Everything about one pipeline and output size."""

    pipeline: str
    output: Size
    attention: str
    first: StreamFigures
    """The run that also compiles."""
    counted: StreamFigures
    chunk_ms: dict[str, float]
    transformer_ms: dict[str, float]
    tflop: dict[str, float]
    """Of a steady chunk."""
    file_frames_per_second: float | None

    @property
    def tflops(self) -> float:
        """TFLOP/s in a steady chunk."""
        return sum(self.tflop.values()) / self.chunk_ms["chunk"] * 1e3


@dataclass
class Report:
    """One run of the benchmark."""

    machine: str
    command: str
    matrix_tflops: float
    sizes: list[SizeFigures] = field(default_factory=list)
    attention: list[AttentionFigures] = field(default_factory=list)
    agreement: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the whole report."""
        day = datetime.now(UTC).date().isoformat()
        lines = [
            f"## The engine's speed, {day}",
            "",
            f"{self.machine}. `{self.command}`, one run; random weights of true shape, batches in"
            f" memory. A large matrix product in the same run: {self.matrix_tflops:.0f} TFLOP/s.",
            "",
        ]
        for part in (self._sizes(), self._stages(), self._attention(), self._agreement()):
            lines += [*part, ""] if part else []
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines).rstrip() + "\n"

    def append_to(self, path: Path) -> None:
        """Put the report at the top of a log that holds the mark for it."""
        text = path.read_text()
        if _PLACE not in text:
            raise SystemExit(f"{path} lacks the line {_PLACE.strip()!r} that says where to write.")
        path.write_text(text.replace(_PLACE, f"{_PLACE}\n{self.markdown()}", 1))

    def _sizes(self) -> list[str]:
        lines = [
            "| pipeline | output | frames | frames/s | file to file | peak GiB | TFLOP/s (share)"
            " | first run s |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for size in self.sizes:
            counted, file_rate = size.counted, size.file_frames_per_second
            lines.append(
                f"| {size.pipeline} | {size.output} | {counted.frames} |"
                f" {counted.frames_per_second:.1f} | {f'{file_rate:.1f}' if file_rate else '–'} |"
                f" {counted.peak_bytes / GIB:.1f} | {size.tflops:.0f}"
                f" ({size.tflops / self.matrix_tflops:.0%}) | {size.first.seconds:.1f} |"
            )
        return lines if self.sizes else []

    def _stages(self) -> list[str]:
        lines = []
        for size in self.sizes:
            chunk = ", ".join(f"{name} {ms:.1f}" for name, ms in size.chunk_ms.items())
            lines.append(f"- {size.pipeline}, {size.output}, a steady chunk in ms: {chunk}.")
            if size.transformer_ms:
                kinds = sorted(size.transformer_ms.items(), key=lambda item: -item[1])
                inside = ", ".join(f"{name} {ms:.1f}" for name, ms in kinds)
                lines[-1] += f" The transformer's kernels: {inside}."
        return lines

    def _attention(self) -> list[str]:
        lines = [
            "| attention layer | backend | ms, lists included | TFLOP/s | relative error |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {row.layer.name} | {row.backend} | {row.milliseconds:.3f} | {row.tflops:.0f} |"
            f" {row.error:.1e} |"
            for row in self.attention
        ]
        return lines if self.attention else []

    def _agreement(self) -> list[str]:
        return [
            f"- {name}, bfloat16 against float32 under the same masks: "
            + ", ".join(f"{way} {error:.2e}" for way, error in errors.items())
            + " (relative)."
            for name, errors in self.agreement.items()
        ]
