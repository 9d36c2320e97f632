"""Requests that are tried again where that is safe, and answers that are errors raised as such."""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from client.errors import ServiceError, UnreachableError, error_of

Json = Mapping[str, Any]

_BUSY = {429, 502, 503, 504}


class Connection:
    """One service, one API key. Safe to share between threads."""

    def __init__(self, base_url: str, api_key: str, timeout_s: float, tries: int) -> None:
        self._tries = tries
        self._timeout_s = timeout_s
        self._service = httpx2.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            timeout=timeout_s,
        )
        # Signed links carry their own permission; the key is nobody else's business.
        self._links = httpx2.Client(timeout=timeout_s)

    def close(self) -> None:
        """Give connections back."""
        self._service.close()
        self._links.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0.0,
        is_repeatable: bool = True,
    ) -> httpx2.Response:
        """Ask the service; 2xx and 3xx come back.

        Args:
            method: of HTTP.
            path: below the service's address.
            json: the body.
            query: the query.
            headers: more of them.
            wait_s: how long the service itself may take before it answers.
            is_repeatable: whether doing it twice does no harm; otherwise it is tried again only
                where it surely was not done.

        Raises:
            UnreachableError: no answer after all tries.
            ProblemError: the service said no.

        """
        for failures in range(1, self._tries + 1):
            try:
                answer = self._service.request(
                    method,
                    path,
                    json=json,
                    params=query,
                    headers=headers,
                    timeout=self._timeout_s + wait_s,
                )
            except httpx2.TransportError as error:
                is_safe = is_repeatable or isinstance(error, httpx2.ConnectError)
                if failures == self._tries or not is_safe:
                    raise _unreachable(str(self._service.base_url), error) from error
                pause(failures)
                continue
            if answer.status_code < 400:
                return answer
            problem = error_of(answer.status_code, answer.headers, _document(answer))
            is_safe = is_repeatable or answer.status_code == 429
            if answer.status_code not in _BUSY or failures == self._tries or not is_safe:
                raise problem
            pause(failures, problem.retry_after_s)
        raise AssertionError("the last try returns or raises")

    def send(self, request: Json, body: bytes) -> None:
        """Make a signed request; one try.

        Raises:
            UnreachableError: the store did not take it.
            ProblemError: the store refused it.

        """
        try:
            answer = self._links.request(
                request["method"], request["url"], content=body, headers=request["headers"]
            )
        except httpx2.TransportError as error:
            raise _unreachable("the object store", error) from error
        if answer.status_code >= 400:
            raise error_of(answer.status_code, answer.headers, _document(answer))

    @contextmanager
    def stream(
        self, url: str, headers: Mapping[str, str], *, is_link: bool
    ) -> Iterator[httpx2.Response]:
        """Read an answer piece by piece; one try.

        Raises:
            UnreachableError: it did not come, or broke off.
            ProblemError: it was refused.

        """
        client = self._links if is_link else self._service
        try:
            with client.stream("GET", url, headers=headers) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise error_of(answer.status_code, answer.headers, _document(answer))
                yield answer
        except httpx2.TransportError as error:
            raise _unreachable(
                str(httpx2.URL(url).host or self._service.base_url), error
            ) from error


def pause(failures: int, at_least_s: float | None = None) -> None:
    """Wait before another try, longer each time, half of it random."""
    wait_s = min(20.0, 0.25 * 2**failures) * random.uniform(0.5, 1.0)  # noqa: S311
    time.sleep(max(wait_s, min(at_least_s or 0.0, 60.0)))


def is_temporary(error: Exception) -> bool:
    """Tell whether the same may work a little later."""
    return isinstance(error, UnreachableError) or (
        isinstance(error, ServiceError) and error.status in _BUSY
    )


def _unreachable(where: str, error: Exception) -> UnreachableError:
    reason = str(error) or type(error).__name__
    return UnreachableError(f"{where} cannot be reached ({reason}); is the service running?")


def _document(answer: httpx2.Response) -> Any:  # noqa: ANN401
    try:
        return answer.json()
    except ValueError:
        return None
