"""FlashVSR: low-quality frames in, larger frames out; tensors only, no files but weights."""

from flashvsr_core.errors import EngineError
from flashvsr_core.geometry import Geometry, Size, plan_geometry
from flashvsr_core.pipeline import FlashVSR
from flashvsr_core.scenes import SceneStreams
from flashvsr_core.settings import StreamSettings
from flashvsr_core.stream import UpscaleStream

__all__ = [
    "EngineError",
    "FlashVSR",
    "Geometry",
    "SceneStreams",
    "Size",
    "StreamSettings",
    "UpscaleStream",
    "plan_geometry",
]
