"""The dashboard as an application of its own, mounted in the service's."""

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route

from api.admin import assets
from api.admin.assets import Assets
from api.admin.pages import Pages, pages_of, query
from api.admin.routes import ROUTERS
from api.errors import ApiError, NoSuchAddressError, SignedOutError, answer_to, sentence_of
from api.services import Services
from jobs.errors import JobsError
from media.errors import MediaError

_log = logging.getLogger(__name__)


def create_admin(services: Services) -> FastAPI:
    """Put the dashboard together; it shares everything that the service has opened."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry={"tracing": False})
    app.state.services = services
    app.state.assets = Assets()
    paths = {route.path for each in ROUTERS for route in each.routes if isinstance(route, Route)}
    app.state.pages = Pages(services, app.state.assets, paths)
    for router in (assets.router, *ROUTERS):
        app.include_router(router)
    for kind in (ApiError, JobsError, MediaError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _answer)
    return app


def _answer(request: Request, error: Exception) -> Response:
    """Answer an error with a page that says what to do."""
    pages = pages_of(request)
    if isinstance(error, SignedOutError) and not _wants_json(request):
        return _to_login(request)
    if isinstance(error, RequestValidationError) or (
        isinstance(error, HTTPException) and error.status_code == 404
    ):
        error = NoSuchAddressError("There is no such page; it may have moved or been deleted.")
    if isinstance(error, HTTPException):
        status, title, sentence = error.status_code, "Not possible", str(error.detail)
    else:
        answer = answer_to(error)
        status, title = answer.status, answer.title
        sentence = answer.detail or sentence_of(error)
    if status >= 500:
        _log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    if _wants_json(request):
        return JSONResponse({"title": title, "detail": sentence}, status)
    return pages.show(
        request,
        "error.html",
        status=status,
        title=title,
        sentence=sentence,
        request_id=request.scope.get("state", {}).get("request_id"),
    )


def _wants_json(request: Request) -> bool:
    """Tell whether one of our scripts asks, which shows the sentence by itself."""
    return request.headers.get("accept", "") == "application/json"


def _to_login(request: Request) -> Response:
    pages = pages_of(request)
    base = request.scope.get("root_path", "")
    if request.headers.get("hx-request") == "true":
        # A part of a page: the whole of it has to go.
        return Response(status_code=401, headers={"HX-Redirect": f"{base}/login"})
    if request.method != "GET":
        return pages.go(request, "/login")
    asked = request.url.path.removeprefix(base)
    after = f"{asked}?{request.url.query}" if request.url.query else asked
    return pages.go(request, f"/login{query(next=after if after != '/' else None)}")
