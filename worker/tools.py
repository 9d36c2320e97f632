"""What a worker process works with, opened once and kept."""

import shutil
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
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from jobs.storage.buckets import Buckets


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
        # What an earlier process of this name left behind when it was killed.
        shutil.rmtree(tools.scratch, ignore_errors=True)
        tools.scratch.mkdir(parents=True)
        return tools

    @property
    def scratch(self) -> Path:
        """This process's own folder for files that live as long as an attempt."""
        return self.settings.own_scratch

    def ring(self, queue: str) -> None:
        """Tell other workers of work; where the broker is away, the sweeper does it later."""
        with suppress(BrokerUnavailableError):
            self._bell.ring(queue)

    def close(self) -> None:
        """Leave no file and no connection behind."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._bell.close()
        self.database.close()
