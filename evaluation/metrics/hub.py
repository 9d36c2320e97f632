"""Learned metrics, whose weights come from a hub: LPIPS, DISTS, MUSIQ, CLIPIQA and DOVER.

They run through the packages pyiqa and dover where a person has installed them; this project does
not depend on either. Without package or weights they are left out, and the report says so.
"""

import importlib
from functools import lru_cache
from typing import Any

import torch

from evaluation.errors import MetricUnavailableError
from evaluation.metrics.metric import Frames


class PyiqaMetric:
    """One of pyiqa's metrics, frame by frame, then the mean."""

    def __init__(self, name: str, *, higher_is_better: bool, needs_truth: bool) -> None:
        self.name = name
        self.higher_is_better = higher_is_better
        self.needs_truth = needs_truth

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the mean over frames."""
        model = _load(self.name)
        total = 0.0
        for index, frame in enumerate(output):
            inputs = [frame] if not self.needs_truth or truth is None else [frame, truth[index]]
            tensors = [torch.from_numpy(f).movedim(-1, 0)[None].float() / 255 for f in inputs]
            with torch.inference_mode():
                total += float(model(*tensors))
        return total / len(output)


class Dover:
    """DOVER's overall video quality; the package has no stable interface, so it is only named."""

    name = "dover"
    higher_is_better = True
    needs_truth = False

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Raise `MetricUnavailableError`: score written-out videos with DOVER's own script."""
        raise MetricUnavailableError(
            "DOVER has no package with a callable interface; run its own script on the saved"
            " outputs (--save)"
        )


@lru_cache(maxsize=8)
def _load(name: str) -> Any:  # noqa: ANN401  (pyiqa has no types)
    try:
        pyiqa = importlib.import_module("pyiqa")
    except ImportError as error:
        raise MetricUnavailableError(f"{name} needs the package pyiqa") from error
    try:
        return pyiqa.create_metric(name, device=torch.device("cpu"))
    except Exception as error:  # whatever the download or the package raises
        raise MetricUnavailableError(
            f"{name}: pyiqa could not load its weights ({type(error).__name__}); connect to its"
            " hub once, or put them into its cache"
        ) from error


HUB_METRICS = (
    PyiqaMetric("lpips", higher_is_better=False, needs_truth=True),
    PyiqaMetric("dists", higher_is_better=False, needs_truth=True),
    PyiqaMetric("musiq", higher_is_better=True, needs_truth=False),
    PyiqaMetric("clipiqa", higher_is_better=True, needs_truth=False),
    Dover(),
)
