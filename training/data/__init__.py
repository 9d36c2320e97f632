"""What the model is trained on: clips from photographs and videos, and how they are degraded."""

from training.data.batches import Batches, BatchSettings
from training.data.codec import CodecPool, default_workers
from training.data.degradation import Degradation, DegradationSettings
from training.data.packed import PackedClips, SamplingSettings

__all__ = [
    "BatchSettings",
    "Batches",
    "CodecPool",
    "Degradation",
    "DegradationSettings",
    "PackedClips",
    "SamplingSettings",
    "default_workers",
]
