"""Links that carry their own permission: what may be done, until when, and a signature over it."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal
from urllib.parse import quote, urlencode

from jobs.errors import LinkInvalidError

PATH = "/objects/"
"""Where the API serves links; the object's key follows."""


@dataclass(frozen=True)
class Grant:
    """What a link allows."""

    method: Literal["GET", "PUT"]
    key: str
    size_bytes: int | None = None
    """Which the body must have."""
    multipart_id: str | None = None
    part: int | None = None
    filename: str | None = None
    """Under which the browser saves the answer."""
    content_type: str | None = None


_QUERY = tuple(field.name for field in fields(Grant) if field.name not in ("method", "key"))
_NUMBERS = ("size_bytes", "part")


class LinkSigner:
    """Makes and opens links with one secret."""

    def __init__(self, secret: bytes, public_url: str) -> None:
        self._secret = secret
        self.public_url = public_url.rstrip("/")

    def sign(self, grant: Grant, expires_s: float) -> str:
        """Return the URL that allows what is granted for so long."""
        chosen = {name: str(v) for name, v in asdict(grant).items() if v is not None}
        query = {name: chosen[name] for name in _QUERY if name in chosen}
        query["expires"] = str(int(time.time() + expires_s))
        query["signature"] = self._signature(grant.method, grant.key, query)
        return f"{self.public_url}{PATH}{quote(grant.key)}?{urlencode(query)}"

    def open(self, method: str, key: str, query: Mapping[str, str]) -> Grant:
        """Return what a request that came in over a link may do.

        Args:
            method: of the request; HEAD counts as GET.
            key: the path behind `PATH`, decoded.
            query: decoded, every name once.

        Raises:
            LinkInvalidError: the link was changed, allows another method, or has expired.

        """
        given = {name: query[name] for name in (*_QUERY, "expires") if name in query}
        granted: Literal["GET", "PUT"] = "PUT" if method == "PUT" else "GET"
        expected = self._signature(granted, key, given)
        offered = query.get("signature", "")
        if method not in ("GET", "HEAD", "PUT") or not hmac.compare_digest(
            expected.encode(), offered.encode()
        ):
            raise LinkInvalidError("This link does not allow that; ask for a new one.")
        if time.time() >= int(given["expires"]):
            raise LinkInvalidError("This link has expired; ask for a new one.")
        numbers = {name: int(given[name]) for name in _NUMBERS if name in given}
        return Grant(
            granted,
            key,
            multipart_id=given.get("multipart_id"),
            filename=given.get("filename"),
            content_type=given.get("content_type"),
            **numbers,
        )

    def _signature(self, method: str, key: str, query: Mapping[str, str]) -> str:
        signed = urlencode([("method", method), ("key", key), *sorted(query.items())])
        # The secret signs nothing but these links, so no other message can pass for one.
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()
