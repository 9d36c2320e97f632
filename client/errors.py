"""What can go wrong, as a small tree; problem documents become exceptions here."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Any error of this package; the message is a sentence that says what to do."""


class UnreachableError(ClientError):
    """The service, or the store behind a link, did not answer."""


class WaitTimeoutError(ClientError):
    """The job did not end in the time that was given; it goes on."""


class DownloadDamagedError(ClientError):
    """What arrived is not what the service recorded; nothing was kept."""


class ProblemError(ClientError):
    """The service answered with a problem document."""

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        errors: tuple[Mapping[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        """Stable, such as `job_not_found`."""
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.errors = errors
        """With `fields_invalid`: where, pointer and message of each field."""


class AccessError(ProblemError):
    """The API key is unknown, revoked, or not for this."""


class NotFoundError(ProblemError):
    """There is no such thing for this key's tenant."""


class ConflictError(ProblemError):
    """Not in the state that things are in, or no longer."""


class RequestRefusedError(ProblemError):
    """The request can never work as it is."""


class RateLimitedError(ProblemError):
    """Too many requests, or too many jobs waiting; see `retry_after_s`."""


class ServiceError(ProblemError):
    """The service is broken or overloaded."""


_KINDS: dict[int, type[ProblemError]] = {
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    409: ConflictError,
    410: ConflictError,
    429: RateLimitedError,
}


def error_of(status: int, headers: Mapping[str, str], document: Any) -> ProblemError:  # noqa: ANN401
    """Make the exception for an answer; the document may be anything, or nothing."""
    found = document if isinstance(document, dict) else {}
    kind = _KINDS.get(status, ServiceError if status >= 500 else RequestRefusedError)
    after = headers.get("retry-after", "")
    return kind(
        str(found.get("detail") or f"The service answered {status} without a reason."),
        status=status,
        code=str(found.get("code") or f"http_{status}"),
        request_id=found.get("request_id") or headers.get("x-request-id"),
        retry_after_s=float(after) if after.isdigit() else None,
        errors=tuple(found.get("errors") or ()),
    )
