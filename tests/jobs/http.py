"""A client of the smallest kind: it sends what it is told and adds nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from jobs.storage import SignedRequest
from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def send(request: SignedRequest | str, body: bytes | None = None) -> Answer:
    """Make a signed request, or get a link."""
    signed = SignedRequest("GET", request) if isinstance(request, str) else request
    url = urlsplit(signed.url)
    connection = HTTPConnection(url.netloc, timeout=PATIENCE_S)
    try:
        connection.request(signed.method, f"{url.path}?{url.query}", body, dict(signed.headers))
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())
    finally:
        connection.close()
