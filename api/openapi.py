"""The OpenAPI document, made once per application."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.schemas.problems import Problem

_ABOUT = """\
Submit a video, follow its job, fetch the larger one.

1. `POST /v1/uploads`, send the bytes to the links that come back, `POST …/complete`;
2. `POST /v1/jobs` with the upload's id;
3. `GET /v1/jobs/{job_id}?wait=30`, or its `events`, until its state is an end;
4. `GET /v1/jobs/{job_id}/result`.

Every error is a problem document (RFC 9457) with a stable `code`. What belongs to another tenant is
not found. Times are UTC, ids sort by time.
"""

_TAGS = [
    {"name": "Uploads", "description": "Videos on their way in; the bytes go to signed links."},
    {"name": "Jobs", "description": "One video, enlarged once."},
    {"name": "Batches", "description": "Many objects of the caller's own buckets in one go."},
    {"name": "Results", "description": "What a job made, by signed links."},
    {
        "name": "Watched prefixes",
        "description": "Prefixes of people's own buckets, whose new objects become jobs.",
    },
    {"name": "API keys", "description": "Of the caller's own tenant; scope `admin`."},
    {
        "name": "Signed links",
        "description": "Where a local store's links lead; never built by hand.",
    },
    {"name": "Operation", "description": "For probes and Prometheus."},
]


def describe(app: FastAPI) -> None:
    """Have `app.openapi()` give the whole document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title="FlashVSR Service",
        version=_version(),
        description=_ABOUT,
        routes=app.routes,
        tags=_TAGS,
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    for operations in found["paths"].values():
        for operation in operations.values():
            # The framework's own idea of a 422, which this service never answers.
            answer = operation["responses"].get("422", {})
            if "application/problem+json" in answer.get("content", {}):
                answer["content"].pop("application/json", None)
            else:
                operation["responses"].pop("422", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return found


def _version() -> str:
    try:
        return version("flashvsr-service")
    except PackageNotFoundError:
        return "0"
