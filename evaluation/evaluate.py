"""The loop of an evaluation: clips, methods, metrics."""

from collections.abc import Callable, Iterable, Sequence

from evaluation.clips import Clip
from evaluation.errors import MetricUnavailableError
from evaluation.methods import Frames, Method
from evaluation.metrics import Metric
from evaluation.report import ClipReport, Report


def evaluate(
    clips: Iterable[Clip],
    methods: Sequence[Method],
    metrics: Sequence[Metric],
    scale: int,
    say: Callable[[str], None] = lambda _line: None,
    keep: Callable[[str, str, Frames], None] = lambda _clip, _method, _frames: None,
) -> Report:
    """Enlarge every clip by every method and measure the results.

    Args:
        clips: read one at a time, so that one is in memory.
        methods: the model and its baselines.
        metrics: those that need a ground truth are left out where there is none.
        scale: 2, 3 or 4.
        say: told what is being done.
        keep: given every output with the names of clip and method.

    Returns:
        Scores by clip, method and metric, and why any are missing.

    """
    reports: list[ClipReport] = []
    skipped: dict[str, str] = {}
    for clip in clips:
        scores: dict[str, dict[str, float]] = {}
        for method in methods:
            say(f"{clip.name}: {method.name}")
            output = method.enlarge(clip.low, scale)
            keep(clip.name, method.name, output)
            scores[method.name] = {}
            for metric in metrics:
                if metric.needs_truth and clip.truth is None:
                    skipped[metric.name] = "there is no ground truth"
                    continue
                try:
                    scores[method.name][metric.name] = metric.measure(output, clip.truth)
                except MetricUnavailableError as error:
                    skipped[metric.name] = str(error)
        height, width = (side * scale for side in clip.low.shape[1:3])
        reports.append(ClipReport(clip.name, len(clip.low), width, height, scores))
    directions = {metric.name: metric.higher_is_better for metric in metrics}
    return Report(reports, [method.name for method in methods], directions, skipped)
