"""Every error as an answer: the one table from error trees to HTTP.

Answers are problem documents (RFC 9457). `code` is stable; sentences may change. What is wrong on
this side of the service goes into the log, and the caller is told only that it is.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi.responses import JSONResponse
from starlette.requests import Request

from jobs import errors as jobs_errors
from media import errors as media_errors

_log = logging.getLogger(__name__)


class ApiError(Exception):
    """An error of the HTTP side itself."""

    code: ClassVar[str] = "api_error"


class UnauthenticatedError(ApiError):
    """There is no API key in the request."""

    code = "unauthenticated"


class ScopeMissingError(ApiError):
    """The API key may not do this."""

    code = "scope_missing"


class NoSuchAddressError(ApiError):
    """No route has this path."""

    code = "address_not_found"


class MethodNotAllowedError(ApiError):
    """The route exists, but not with this method."""

    code = "method_not_allowed"


class BodyTooLargeError(ApiError):
    """The body is larger than any request needs."""

    code = "body_too_large"


class UploadTooLargeError(ApiError):
    """The file is larger than this service or this key takes."""

    code = "upload_too_large"


class FieldsInvalidError(ApiError):
    """The body, the query or a header is not as the OpenAPI document says."""

    code = "fields_invalid"


class UploadNotMultipartError(ApiError):
    """The upload comes in one piece, so it has no parts."""

    code = "upload_not_multipart"


class UploadIncompleteError(ApiError):
    """The object store has nothing, or not everything, of the upload."""

    code = "upload_incomplete"


class ResultNotReadyError(ApiError):
    """The job has no such result, or not yet."""

    code = "result_not_ready"


class ResultExpiredError(ApiError):
    """The result was kept for its time and then removed."""

    code = "result_expired"


class TooManyWatchersError(ApiError):
    """Too many long polls and event streams at the same time."""

    code = "too_many_watchers"


class TooSlowError(ApiError):
    """The body did not arrive in time."""

    code = "too_slow"


class EventSecretInvalidError(ApiError):
    """Events were posted without a secret, or with a wrong one."""

    code = "event_secret_invalid"


class RequestRefusedError(ApiError):
    """The request is not well-formed HTTP for this service."""

    code = "request_refused"


class SignedOutError(ApiError):
    """The dashboard does not know who looks."""

    code = "signed_out"


class RoleMissingError(ApiError):
    """The user of the dashboard may only look."""

    code = "role_missing"


class OriginRefusedError(ApiError):
    """A form of the dashboard was sent by another site, or without its token."""

    code = "origin_refused"


@dataclass(frozen=True)
class Answer:
    """How a kind of error is answered."""

    status: int
    title: str
    detail: str | None = None
    """In place of the error's own sentence, where that would tell about this side's insides."""
    retry_after_s: float | None = None


_OURS = Answer(500, "Internal error", "Something is wrong in the service; it is in its log.")

TABLE: dict[type[Exception], Answer] = {
    ApiError: _OURS,
    RequestRefusedError: Answer(400, "Bad request"),
    UnauthenticatedError: Answer(401, "API key missing"),
    EventSecretInvalidError: Answer(401, "Secret invalid"),
    ScopeMissingError: Answer(403, "Not allowed"),
    SignedOutError: Answer(401, "Signed out"),
    RoleMissingError: Answer(403, "Not allowed"),
    OriginRefusedError: Answer(403, "Form refused"),
    NoSuchAddressError: Answer(404, "Not found"),
    MethodNotAllowedError: Answer(405, "Method not allowed"),
    TooSlowError: Answer(408, "Too slow"),
    ResultNotReadyError: Answer(409, "No result"),
    UploadIncompleteError: Answer(409, "Upload incomplete"),
    UploadNotMultipartError: Answer(409, "Upload in one piece"),
    ResultExpiredError: Answer(410, "Result expired"),
    BodyTooLargeError: Answer(413, "Body too large"),
    UploadTooLargeError: Answer(413, "Upload too large"),
    FieldsInvalidError: Answer(422, "Request invalid"),
    TooManyWatchersError: Answer(503, "Too many watchers", retry_after_s=5),
    # jobs
    jobs_errors.JobsError: _OURS,
    jobs_errors.SettingsError: _OURS,
    jobs_errors.RequestInvalidError: Answer(422, "Request invalid"),
    jobs_errors.NotFoundError: Answer(404, "Not found"),
    jobs_errors.JobNotFoundError: Answer(404, "Job not found"),
    jobs_errors.UploadNotFoundError: Answer(404, "Upload not found"),
    jobs_errors.KeyNotFoundError: Answer(404, "API key not found"),
    jobs_errors.WorkerNotFoundError: Answer(404, "Worker not found"),
    jobs_errors.WebhookNotFoundError: Answer(404, "Webhook not found"),
    jobs_errors.UserNotFoundError: Answer(404, "User not found"),
    jobs_errors.QueueNotFoundError: Answer(404, "Queue not found"),
    jobs_errors.WatchNotFoundError: Answer(404, "Watch not found"),
    jobs_errors.EventInvalidError: Answer(422, "Event unreadable"),
    jobs_errors.BatchNotFoundError: Answer(404, "Batch not found"),
    jobs_errors.ConflictError: Answer(409, "Conflict"),
    jobs_errors.StateConflictError: Answer(409, "Not in this state"),
    jobs_errors.IdempotencyConflictError: Answer(409, "Idempotency key used"),
    jobs_errors.UploadStateError: Answer(409, "Upload in another state"),
    jobs_errors.InputGoneError: Answer(409, "Input removed"),
    jobs_errors.InputChangedError: Answer(409, "Input overwritten"),
    jobs_errors.OutputExistsError: Answer(409, "Output exists"),
    jobs_errors.OutputSkippedError: Answer(409, "Output exists"),
    jobs_errors.LeaseLostError: Answer(409, "Lease lost"),
    jobs_errors.WatchLoopError: Answer(409, "Would be a loop"),
    jobs_errors.LimitError: Answer(422, "Beyond the key's limit"),
    jobs_errors.RateLimitedError: Answer(429, "Too many requests"),
    jobs_errors.LoginThrottledError: Answer(429, "Too many wrong passwords"),
    jobs_errors.TooManyQueuedError: Answer(429, "Too many jobs waiting", retry_after_s=30),
    jobs_errors.KeyInvalidError: Answer(401, "API key invalid"),
    jobs_errors.FirstLinkInvalidError: Answer(403, "Link invalid"),
    jobs_errors.DatabaseUnavailableError: Answer(
        503, "Database unavailable", "The service cannot reach its database; try again.", 2
    ),
    jobs_errors.BrokerUnavailableError: Answer(
        503, "Broker unavailable", "The service cannot reach its broker; try again.", 2
    ),
    jobs_errors.StorageError: _OURS,
    jobs_errors.StorageUnavailableError: Answer(
        503, "Storage unavailable", "The service cannot reach its object store; try again.", 2
    ),
    jobs_errors.StorageFullError: Answer(
        507, "Storage full", "The service has no space left; try again later.", 60
    ),
    jobs_errors.StorageDeniedError: _OURS,
    jobs_errors.ObjectNotFoundError: Answer(404, "Object not found"),
    jobs_errors.PreconditionFailedError: _OURS,
    jobs_errors.NotImplementedByStoreError: _OURS,
    jobs_errors.ObjectDamagedError: Answer(422, "Content not as announced"),
    jobs_errors.LinkInvalidError: Answer(403, "Link invalid"),
    # media: the API looks at no video, but checks what is asked of the encoder.
    media_errors.MediaError: _OURS,
    media_errors.InputError: Answer(422, "Input refused"),
    media_errors.OutputError: Answer(422, "Output refused"),
}


def answer_to(error: Exception) -> Answer:
    """Return the table's line for an error: its own, or that of the nearest class above."""
    for kind in type(error).__mro__:
        if kind in TABLE:
            return TABLE[kind]
    return _OURS


def problem_response(
    request: Request,
    error: Exception,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> JSONResponse:
    """Answer with the problem document of an error."""
    answer = answer_to(error)
    request_id = request.scope.get("state", {}).get("request_id")
    if answer.status >= 500:
        _log.error(
            "%s %s %s: %s", request.method, request.url.path, request_id, error, exc_info=error
        )
    is_known = answer is not _OURS
    code = getattr(error, "code", "internal_error") if is_known else "internal_error"
    document: dict[str, Any] = {
        "type": f"urn:flashvsr:error:{code}",
        "title": answer.title,
        "status": answer.status,
        "detail": answer.detail or sentence_of(error),
        "code": code,
        "request_id": request_id,
    }
    if errors is not None:
        document["errors"] = errors
    return JSONResponse(
        document,
        answer.status,
        headers={**_headers(error, answer), **(headers or {})},
        media_type="application/problem+json",
    )


def _headers(error: Exception, answer: Answer) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if answer.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    wait_s = getattr(error, "retry_after_s", answer.retry_after_s)
    if wait_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    if isinstance(error, jobs_errors.RateLimitedError):
        headers["RateLimit"] = f'"default";r=0;t={max(1, math.ceil(error.retry_after_s))}'
    return headers


def sentence_of(error: Exception) -> str:
    """Write an error's message as a sentence."""
    text = str(error).strip()
    if not text:
        return (type(error).__doc__ or "").strip()
    # The sentences of media are made to stand behind a file's name.
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
