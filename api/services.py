"""What all requests share: the database, the store, the bell."""

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from api.settings import ApiSettings
from jobs.database import Database
from jobs.errors import BrokerUnavailableError, RequestInvalidError
from jobs.intake import Intake
from jobs.queue import Bell, LocalBell
from jobs.storage import Storage

if TYPE_CHECKING:
    from jobs.storage.buckets import Buckets

_log = logging.getLogger(__name__)

# A broker that does not answer costs seconds to find out; the outbox rings in its place.
_SILENCE_S = 10.0

BrokerState = Literal["embedded", "unknown", "ok", "failing"]


@dataclass
class Services:
    """Opened once per process, after every fork. Safe to share between threads."""

    settings: ApiSettings
    database: Database
    storage: Storage
    bell: Bell
    buckets: "Buckets | None" = None
    """People's own; None where no S3 server is known."""
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the process is asked to stop, so that streams and long polls end at once."""
    broker: BrokerState = "unknown"
    """What came of the latest ring."""
    _silent_until: float = 0.0

    @classmethod
    def open(cls, settings: ApiSettings) -> "Services":
        """Open everything; no connection is made yet.

        Raises:
            SettingsError: a URL cannot be used.
            StorageError: the folder of a local store cannot be made.

        """
        bell = settings.open_bell()
        return cls(
            settings,
            settings.open_database(),
            settings.open_storage(),
            bell,
            settings.open_buckets(),
            broker="embedded" if isinstance(bell, LocalBell) else "unknown",
        )

    def open_intake(self) -> Intake:
        """Make what takes events of watched prefixes.

        Raises:
            RequestInvalidError: there is no S3 server to ask about objects.

        """
        if self.buckets is None:
            raise RequestInvalidError(
                "This service knows no S3 server whose prefixes could be watched; have"
                " FLASHVSR_BUCKETS_URL set."
            )
        return Intake(self.database, self.buckets, self.ring, self.settings.max_input_bytes)

    def ring(self, queue: str) -> None:
        """Tell workers about a committed job; where that fails, the outbox does it later."""
        if time.monotonic() < self._silent_until:
            return
        try:
            self.bell.ring(queue)
        except BrokerUnavailableError as error:
            _log.warning("%s", error)
            self.broker = "failing"
            self._silent_until = time.monotonic() + _SILENCE_S
        else:
            self.broker = "embedded" if isinstance(self.bell, LocalBell) else "ok"

    def close(self) -> None:
        """Give connections back."""
        self.closing.set()
        self.bell.close()
        self.database.close()
