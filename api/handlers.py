"""What the framework raises, as the errors of this service."""

import re

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.errors import (
    TABLE,
    ApiError,
    BodyTooLargeError,
    FieldsInvalidError,
    MethodNotAllowedError,
    NoSuchAddressError,
    RequestRefusedError,
    problem_response,
)
from jobs.errors import JobsError
from media.errors import MediaError


def install(app: FastAPI) -> None:
    """Answer every error with its problem document."""
    assert {ApiError, JobsError, MediaError} <= TABLE.keys()
    app.add_exception_handler(ApiError, _own)
    app.add_exception_handler(JobsError, _own)
    app.add_exception_handler(MediaError, _own)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_fields)


def _own(request: Request, error: Exception) -> Response:
    return problem_response(request, error)


def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    translated: ApiError
    match error.status_code:
        case 404:
            translated = NoSuchAddressError(
                "There is nothing at this address; /docs lists what there is."
            )
        case 405:
            translated = MethodNotAllowedError("This address does not take this method; see Allow.")
        case 413:
            translated = BodyTooLargeError(
                "The body is too large; send videos to the links that POST /v1/uploads gives."
            )
        case status if status < 500:
            translated = RequestRefusedError(str(error.detail))
        case _:
            translated = ApiError(str(error.detail))
    allowed = {name: text for name, text in (error.headers or {}).items() if name == "Allow"}
    return problem_response(request, translated, headers=allowed)


def _of_fields(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if all(each["loc"][:1] == ("path",) for each in found):
        return problem_response(
            request, NoSuchAddressError("There is nothing of this id; ids look like job_….")
        )
    errors = []
    for each in found:
        where, *steps = (str(step) for step in each["loc"])
        if each["type"] == "json_invalid":
            steps = []
        pointer = "".join(f"/{_escaped(step)}" for step in steps)
        errors.append({"where": where, "pointer": pointer, "message": each["msg"]})
    first = errors[0]
    place = first["pointer"].lstrip("/") or "it"
    sentence = f"The {first['where']} cannot be used: {place}: {first['message']}."
    return problem_response(request, FieldsInvalidError(sentence), errors=errors)


def _escaped(step: str) -> str:
    # Names of unknown fields are the caller's own; they come back as data, without line breaks.
    return re.sub(r"[\x00-\x1f\x7f]", "?", step).replace("~", "~0").replace("/", "~1")[:100]
