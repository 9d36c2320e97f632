"""Choose the engine that the settings name."""

from worker.engine import Engine
from worker.settings import WorkerSettings


def open_engine(settings: WorkerSettings) -> Engine:
    """Make the engine that the settings name; nothing is loaded yet."""
    if settings.engine == "stub":
        from worker.stub_engine import StubEngine

        return StubEngine(settings)
    # Torch takes seconds and hundreds of megabytes, so only the process that needs it imports it.
    from worker.model import ModelEngine

    return ModelEngine(settings)
