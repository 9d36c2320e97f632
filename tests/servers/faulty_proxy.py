"""A network that fails on demand: a proxy in front of any server."""

import contextlib
import socket
import threading
from typing import Self


class FaultyProxy:
    """Passes bytes on to a port of this machine until it is told to fail."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_refusing = False
        self._left: int | None = None
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def refuse(self) -> None:
        """Cut all connections and let no new one live."""
        with self._lock:
            self._is_refusing = True
        self._cut()

    def allow(self) -> None:
        """Work again, without a limit."""
        with self._lock:
            self._is_refusing, self._left = False, None

    def refuse_after(self, n_bytes: int) -> None:
        """Pass on so many more bytes, in both directions together, then refuse."""
        with self._lock:
            self._left = n_bytes

    def cut_after(self, n_bytes: int) -> None:
        """Pass on so many more bytes, cut all connections once, and work again."""
        with self._lock:
            self._left = -n_bytes

    def close(self) -> None:
        """End."""
        self._listener.close()
        self.refuse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
                is_refusing = self._is_refusing
            if is_refusing:
                self._cut()
                near.close()
                far.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self._is_used_up(len(data)):
                    self._cut()
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            with self._lock:
                self._open.discard(end)

    def _is_used_up(self, n_bytes: int) -> bool:
        with self._lock:
            if self._left is None:
                return False
            is_once = self._left < 0
            left = abs(self._left) - n_bytes
            if left > 0:
                self._left = -left if is_once else left
                return False
            self._left, self._is_refusing = None, not is_once
            return True

    def _cut(self) -> None:
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
