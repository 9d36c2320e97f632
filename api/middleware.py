"""Round every request: an id, a few headers, a measurement, and no traceback that gets out."""

import logging
import re
import time
from secrets import token_hex
from urllib.parse import quote

from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem_response
from jobs.storage.links import PATH

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log = logging.getLogger(__name__)


class RequestFrame:
    """Pure ASGI, so that streams pass through as they are."""

    def __init__(self, app: ASGIApp, seconds: Histogram) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Frame one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        own_id = offered if _ID.fullmatch(offered) else token_hex(16)
        scope.setdefault("state", {})["request_id"] = own_id
        started = time.monotonic()
        has_begun = False

        async def framed(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start" and not has_begun:
                has_begun = True
                self._measure(scope, message["status"], time.monotonic() - started)
                _add_headers(MutableHeaders(scope=message), scope)
            await send(message)

        try:
            await self._app(scope, receive, framed)
        except ClientDisconnect:
            return
        except Exception as error:
            if has_begun:
                raise
            await problem_response(Request(scope), error)(scope, receive, framed)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path", None) or "unmatched"
        if "app_root_path" in scope:
            # Within a mounted application, whose routes do not know where it is mounted.
            path = scope["root_path"].removeprefix(scope["app_root_path"]) + path
        self._seconds.labels(scope["method"], path, str(status)).observe(seconds)
        # Without the query, which is what makes a signed link work; quoted, to stay one line.
        _log.info(
            "%s %s %d %.0f ms %s",
            scope["method"],
            quote(scope["path"]),
            status,
            seconds * 1000,
            scope["state"]["request_id"],
        )


class BodyLimit:
    """Stops reading bodies that are longer than any request needs; not those of signed links."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bound one request."""
        if scope["type"] != "http" or scope["path"].startswith(PATH):
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes or (length.isdigit() and int(length) > self._max_bytes):
                # The framework takes any other error for a body that it cannot parse.
                raise HTTPException(413)
            return message

        await self._app(scope, bounded, send)


def _add_headers(headers: MutableHeaders, scope: Scope) -> None:
    headers["X-Request-ID"] = scope["state"]["request_id"]
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Referrer-Policy", "no-referrer")
    if policy := scope["state"].get("rate_policy"):
        headers["RateLimit-Policy"] = policy
