"""Let decoding, the model and encoding run side by side, with bounded memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from media.frame import ClosedOnExit, FrameSink, Pixels

T = TypeVar("T")

POLL_S = 0.05
"""How long a thread waits before it looks again whether it is still wanted."""


class Prefetch(ClosedOnExit, Generic[T]):
    """Runs an iterable in a thread, at most `depth` items ahead.

    Exceptions of the source are raised where the items are consumed. Leaving the loop early, or
    closing, stops the thread and waits for it. Use as a context manager, or exhaust it.
    """

    def __init__(self, source: Iterable[T], depth: int = 8) -> None:
        self._queue: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(maxsize=depth)
        self._source = source
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for item in self._source:
                if not self._put((item,)):
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the consumer
            end = error
        self._put(end)

    def _put(self, item: tuple[T] | BaseException | None) -> bool:
        while not self._stopping.is_set():
            with suppress(queue.Full):
                self._queue.put(item, timeout=POLL_S)
                return True
        return False

    def __iter__(self) -> Iterator[T]:
        try:
            while True:
                item = self._queue.get()
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item[0]
        finally:
            self.close()

    def close(self) -> None:
        """Stop the thread and wait for it; more than once does no harm."""
        self._stopping.set()
        self._thread.join()


class BackgroundSink(FrameSink):
    """Writes to another sink in a thread, at most `depth` frames behind.

    An error of the other sink is raised by the next `write` or by `commit`; it is then aborted.
    """

    def __init__(self, sink: FrameSink, depth: int = 8) -> None:
        self._sink = sink
        self._queue: queue.Queue[tuple[Pixels, int, int] | None] = queue.Queue(maxsize=depth)
        self._error: BaseException | None = None
        self._dropping = False
        self._thread = threading.Thread(target=self._run, name="background-sink", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # After an error, and when aborting, the queue is still emptied: nobody may block on it.
        while (item := self._queue.get()) is not None:
            if self._error is None and not self._dropping:
                try:
                    self._sink.write(*item)
                except BaseException as error:  # noqa: BLE001 - raised by the next write
                    self._error = error

    def write(self, pixels: Pixels, pts: int, duration: int = 0) -> None:
        """Queue one picture; blocks while `depth` pictures are waiting. Do not change it after."""
        if self._error is not None:
            raise self._error
        self._queue.put((pixels, pts, duration))

    def commit(self) -> None:
        """Write what is queued and publish."""
        self._stop()
        if self._error is not None:
            self._sink.abort()
            raise self._error
        self._sink.commit()

    def abort(self) -> None:
        """Drop what is queued and remove every trace."""
        self._dropping = True
        self._stop()
        self._sink.abort()

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
