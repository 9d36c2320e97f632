"""What can go wrong in the engine; every message is one sentence that says what to do."""

from typing import ClassVar


class EngineError(Exception):
    """An error of the engine; `code` is stable and safe to store and to show."""

    code: ClassVar[str] = "engine_error"


class WeightsError(EngineError):
    """A weights folder or file is missing, damaged, or not the model that it should be."""

    code = "weights_invalid"


class GeometryError(EngineError):
    """A frame size, scale or tile size that cannot be processed."""

    code = "geometry_invalid"


class AttentionUnavailableError(EngineError):
    """The attention backend asked for does not run on this machine."""

    code = "attention_unavailable"


class DeviceUnavailableError(EngineError):
    """The device asked for is not on this machine."""

    code = "device_unavailable"


class StreamClosedError(EngineError):
    """Frames were fed to a stream that was already flushed."""

    code = "stream_closed"
