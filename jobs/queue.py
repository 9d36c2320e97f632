"""The bell that tells workers to look for work.

A ring carries nothing but a hint: the truth is in the rows. Losing one costs time until the sweeper
rings again, doubling one costs a look that finds nothing.
"""

import threading
from abc import ABC, abstractmethod
from typing import Any

from jobs.errors import BrokerUnavailableError, SettingsError

TASK = "flashvsr.claim_and_run"
"""The Celery task's name: whoever rings does not import the worker."""

# Bells that nobody hears must not pile up while all workers are busy for hours.
_EXPIRES_S = 300


class Bell(ABC):
    """Rings for a queue. Safe to share between threads."""

    @abstractmethod
    def ring(self, queue: str) -> None:
        """Say that a queue has work.

        Raises:
            BrokerUnavailableError: nobody could be told; the outbox tries again.

        """

    @abstractmethod
    def close(self) -> None:
        """Give connections back."""


class LocalBell(Bell):
    """A bell inside one process; workers in others poll, as they do in any case."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings = 0

    def ring(self, queue: str) -> None:
        """Wake everybody who waits; which queue it was for, each finds out by claiming."""
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def wait(self, timeout_s: float, heard: int | None = None) -> int:
        """Return at the next ring, or after the timeout, with the number of rings so far.

        Args:
            timeout_s: at most so long.
            heard: what the last call returned, so that a ring in between is not missed.

        """
        with self._changed:
            before = self._rings if heard is None else heard
            self._changed.wait_for(lambda: self._rings != before, timeout_s)
            return self._rings

    def close(self) -> None:
        """Hold nothing, so there is nothing to give back."""


class CeleryBell(Bell):
    """A bell that is a Celery message, over Redis or RabbitMQ."""

    def __init__(self, broker_url: str) -> None:
        """Prepare a connection; none is made yet."""
        from celery import Celery

        self._app: Any = Celery("flashvsr-bell", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            broker_connection_timeout=3,
            broker_transport_options=broker_options(broker_url) | _ringing_options(broker_url),
            task_ignore_result=True,
        )

    def ring(self, queue: str) -> None:
        """See `Bell.ring`."""
        from amqp.exceptions import AMQPError
        from kombu.exceptions import OperationalError

        try:
            with self._app.producer_or_acquire() as producer:
                self._send(queue, producer)
        # Kombu translates only what may go better soon: a refused login stays an AMQPError.
        except (OperationalError, AMQPError, OSError) as error:
            raise BrokerUnavailableError(
                f"The broker did not take the bell for {queue} ({error}); check BROKER_URL and the"
                " server."
            ) from error

    def _send(self, queue: str, producer: Any) -> None:  # noqa: ANN401 - kombu has no types
        try:
            self._app.send_task(
                TASK,
                kwargs={"queue": queue},
                queue=broker_queue(queue),
                expires=_EXPIRES_S,
                # By this one RabbitMQ drops it; the other one is for the worker that hears it.
                expiration=_EXPIRES_S,
                ignore_result=True,
                retry=False,
                producer=producer,
            )
        except Exception:
            # Otherwise Kombu waits for a broker that does not answer to say goodbye, twice 5 s.
            producer.connection.collect()
            raise

    def close(self) -> None:
        """See `Bell.close`."""
        self._app.close()


def broker_queue(queue: str) -> str:
    """Name the broker's queue in which a queue's bells lie."""
    return f"flashvsr.{queue}"


def broker_options(broker_url: str) -> dict[str, Any]:
    """Give the transport options that suit bells, for ringing and for listening alike."""
    if broker_url.startswith(("redis", "rediss")):
        return {"socket_connect_timeout": 3, "socket_timeout": 10, "socket_keepalive": True}
    return {"confirm_publish": True}


def _ringing_options(broker_url: str) -> dict[str, Any]:
    """Give what only the ringing side needs, which must not keep a request waiting."""
    if broker_url.startswith(("redis", "rediss")):
        return {}
    # RabbitMQ confirms nothing while it is short of memory or disk, and who waits, waits for ever;
    # Kombu would pause for 6 s between its tries to connect.
    return {"read_timeout": 5, "write_timeout": 5, "max_retries": 0}


def open_bell(broker_url: str | None) -> Bell:
    """Open the bell behind a URL, or one inside this process where there is none.

    Raises:
        SettingsError: the URL is neither Redis's nor RabbitMQ's.

    """
    if broker_url is None:
        return LocalBell()
    scheme = broker_url.partition("://")[0]
    if scheme not in ("redis", "rediss", "amqp", "amqps"):
        raise SettingsError(
            f"BROKER_URL begins with {scheme!r}; it must be redis://host:port/0 or"
            " amqp://user:password@host/."
        )
    return CeleryBell(broker_url)
