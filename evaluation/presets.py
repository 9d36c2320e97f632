"""The settings of the paper's tables (arXiv 2510.12747, section 5.1), by data set."""

from dataclasses import dataclass

from training.data.named import DegradationName

FULL_REFERENCE = ("psnr", "ssim", "lpips")
NO_REFERENCE = ("niqe", "musiq", "clipiqa", "dover")


@dataclass(frozen=True)
class Preset:
    """One data set's row.

    layout: what the folder must look like.
    degradation: used where the data set gives no low quality.
    """

    title: str
    layout: str
    metrics: tuple[str, ...]
    degradation: DegradationName = "training"
    scale: int = 4


_SYNTHETIC = "DIR/gt/CLIP/*.png, or a video a clip; DIR/lq/CLIP beside it is used if it is there"
_REAL = "DIR/lq/CLIP/*.png, or a video a clip; there is no ground truth"
_WITH_TRUTH = (*FULL_REFERENCE, "musiq", "clipiqa", "dover")

PRESETS: dict[str, Preset] = {
    "youhq40": Preset("YouHQ40", _SYNTHETIC, _WITH_TRUTH),
    "reds": Preset("REDS", _SYNTHETIC, _WITH_TRUTH),
    "spmcs": Preset("SPMCS", _SYNTHETIC, _WITH_TRUTH),
    "videolq": Preset("VideoLQ", _REAL, NO_REFERENCE),
    "aigc30": Preset("AIGC30", _REAL, NO_REFERENCE),
}
