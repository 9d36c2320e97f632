"""The smallest server of local folders' links, as the API will be: for tests of the links alone."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from jobs.errors import LinkInvalidError, ObjectDamagedError, ObjectNotFoundError
from jobs.storage.links import PATH, Grant
from jobs.storage.local import LocalStorage


class LinkServer:
    """Serves one storage over HTTP; give `url` to the storage as its public address."""

    def __init__(self) -> None:
        self.storage: LocalStorage | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if (grant := self._grant()) is not None:
                    body = outer.opened.path_of(grant.key).read_bytes()
                    self._answer(200, body, {"Content-Type": grant.content_type or "text/plain"})

            def do_PUT(self) -> None:
                if (grant := self._grant()) is not None:
                    try:
                        outer.opened.receive(grant, self._body())
                    except ObjectDamagedError:
                        self._answer(400)
                    except ObjectNotFoundError:
                        self._answer(404)
                    else:
                        self._answer(200)

            def _grant(self) -> Grant | None:
                url = urlsplit(self.path)
                key, query = unquote(url.path.removeprefix(PATH)), dict(parse_qsl(url.query))
                try:
                    return outer.opened.links.open(self.command, key, query)
                except LinkInvalidError:
                    self._answer(403)
                    return None

            def _body(self) -> Iterator[bytes]:
                left = int(self.headers["Content-Length"])
                while left > 0 and (chunk := self.rfile.read(min(left, 1 << 16))):
                    left -= len(chunk)
                    yield chunk

            def _answer(
                self, status: int, body: bytes = b"", headers: dict[str, str] | None = None
            ) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *details: object) -> None:
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def opened(self) -> LocalStorage:
        assert self.storage is not None
        return self.storage

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
