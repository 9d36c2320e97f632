"""Problem documents, and which of them a route may answer with."""

from typing import Any

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="body, query, path or header.", examples=["body"])
    pointer: str = Field(description="JSON pointer into it.", examples=["/crf"])
    message: str


class Problem(BaseModel):
    """Why a request was not done (RFC 9457)."""

    type: str = Field(examples=["urn:flashvsr:error:job_not_found"])
    title: str = Field(examples=["Job not found"])
    status: int = Field(examples=[404])
    detail: str = Field(
        description="One sentence for people; may change.",
        examples=["There is no job job_01k9x3v7zq4c8m2n5t6r0wabcd; it may have been deleted."],
    )
    code: str = Field(description="Stable, for programs.", examples=["job_not_found"])
    request_id: str | None = Field(description="To find the request in the service's log.")
    errors: list[FieldProblem] | None = Field(default=None, description="With `fields_invalid`.")


_WHY = {
    400: "The request is not well-formed.",
    401: "The API key is missing, unknown or revoked.",
    403: "The API key lacks the scope, or the link was changed or has expired.",
    404: "There is no such thing, or it belongs to another tenant.",
    408: "The body did not arrive in time.",
    409: "The request is sound, but not for the state that things are in.",
    410: "The result was kept for its time and then removed.",
    413: "The body or the upload is too large.",
    422: "A field is not as described here, or beyond a limit of the key.",
    429: "The key's limit of requests or of waiting jobs is reached; see Retry-After.",
    500: "Something is wrong in the service.",
    503: "The database, the object store or the service has no room now; see Retry-After.",
    507: "The object store is full.",
}

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """Document the problems that a route may answer with."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _WHY[status], "content": content} for status in statuses}


def keyed(*statuses: int) -> Responses:
    """Document a route that takes an API key."""
    return problems(*sorted({400, 401, 403, 422, 429, 500, 503, *statuses}))
