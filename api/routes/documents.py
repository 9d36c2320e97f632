"""The OpenAPI document, to look at and try out: Swagger UI, all of it from this process."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from api.errors import NoSuchAddressError

router = APIRouter(include_in_schema=False)

# Addresses are relative, so that the page works behind any prefix.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>FlashVSR Service</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""

# Whatever the bundle may name, the browser asks nobody but this service.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")


@router.get("/")
async def root() -> Response:
    """Lead people to the documents."""
    return RedirectResponse("docs")


@router.get("/openapi.json")
def openapi(request: Request) -> JSONResponse:
    """Give the OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Show the OpenAPI document."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """Start Swagger UI; a file of its own, because the page allows no inline scripts."""
    return Response(_START, media_type="text/javascript")


@router.get("/docs/{name}")
def asset(name: str) -> FileResponse:
    """Give a file of Swagger UI."""
    if name not in _FILES:
        raise NoSuchAddressError("There is no such file.")
    return FileResponse(_folder() / name, headers={"Cache-Control": "public, max-age=86400"})


def _folder() -> Path:
    # The package is taken for its files only, so it is not imported.
    spec = find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        raise NoSuchAddressError("Swagger UI is missing; pip install 'flashvsr-service[api]'.")
    return Path(spec.submodule_search_locations[0]) / "static"
