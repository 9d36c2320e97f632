"""What a worker process works with, opened once and kept."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.database import Database
from jobs.errors import BrokerUnavailableError
from jobs.queue import Bell
from jobs.settings import JobsSettings
from jobs.storage import Storage
from worker.engine import Engine
from worker.engine_choice import open_engine
from worker.scratch import remove_abandoned
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from jobs.storage.buckets import Buckets

NOTE_OF_LIFE = "alive"


class Tools:
    """Connections, engine and scratch folder of one process; opened after a fork, not before."""

    def __init__(
        self,
        settings: WorkerSettings,
        database: Database,
        storage: Storage,
        engine: Engine,
        bell: Bell,
        buckets: "Buckets | None" = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.storage = storage
        self.buckets = buckets
        self.engine = engine
        self._bell = bell
        self.stopping = threading.Event()
        """Set when the process has to exit: the job that runs is given back."""
        self.frames_per_s: float | None = None
        """Of the latest chunks."""

    @classmethod
    def open(cls, settings: WorkerSettings, where: JobsSettings) -> "Tools":
        """Open everything; the model is loaded later."""
        tools = cls(
            settings,
            where.open_database(),
            where.open_storage(),
            open_engine(settings),
            where.open_bell(),
            where.open_buckets(),
        )
        tools.scratch.mkdir(parents=True, exist_ok=True)
        # What an earlier process of this name left behind when it was killed.
        remove_abandoned(tools.scratch)
        tools.note_of_life.unlink(missing_ok=True)
        return tools

    @property
    def scratch(self) -> Path:
        """Where this process has a folder for each attempt."""
        return self.settings.own_scratch

    @property
    def note_of_life(self) -> Path:
        """A file that is touched whenever the database was told that this process lives."""
        return self.scratch / NOTE_OF_LIFE

    def ring(self, queue: str) -> None:
        """Tell other workers of work; where the broker is away, the sweeper does it later."""
        with suppress(BrokerUnavailableError):
            self._bell.ring(queue)

    def close(self) -> None:
        """Leave no file and no connection behind."""
        self.note_of_life.unlink(missing_ok=True)
        # Another service on this machine may use it under the same name.
        with suppress(OSError):
            self.scratch.rmdir()
        self._bell.close()
        self.database.close()
