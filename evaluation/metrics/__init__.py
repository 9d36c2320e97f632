"""Every metric by its name."""

from evaluation.metrics.fidelity import MsSsim, Psnr, Ssim
from evaluation.metrics.hub import HUB_METRICS
from evaluation.metrics.metric import Metric
from evaluation.metrics.niqe import Niqe
from evaluation.metrics.seams import SeamRatio
from evaluation.metrics.temporal import FlowDifference, WarpingError
from evaluation.metrics.vmaf import Vmaf

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Psnr(),
        Ssim(),
        MsSsim(),
        Vmaf(),
        Niqe(),
        FlowDifference(),
        WarpingError(),
        SeamRatio(),
        *HUB_METRICS,
    )
}

__all__ = ["METRICS", "Metric"]
