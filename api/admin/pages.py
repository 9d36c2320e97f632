"""Templates into answers, with the headers that every page has."""

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.admin.access import Viewer, is_secure
from api.admin.assets import Assets
from api.admin.words import FILTERS
from api.services import Services
from jobs.errors import JobsError
from jobs.storage import Storage

_NOTICE = "flashvsr_notice"
_NOTICE_S = 60
_NOTICE_MAX = 400


@dataclass(frozen=True)
class Notice:
    """What came of an action, shown once on the next page."""

    text: str
    tone: Literal["good", "bad"] = "good"


class Pages:
    """Renders templates; everything that is put into one is escaped."""

    def __init__(self, services: Services, assets: Assets, paths: Collection[str]) -> None:
        """Prepare the templates; the navigation leads to those of its pages that there are."""
        self._assets = assets
        self._settings = services.settings
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= FILTERS
        self._environment.globals["navigation"] = paths
        self._environment.globals["query"] = query
        self._environment.globals["quote"] = quote
        self._policy = _policy(services.storage)

    def show(
        self,
        request: Request,
        template: str,
        viewer: Viewer | None = None,
        *,
        status: int = 200,
        films_from: Collection[str] = (),
        **values: Any,  # noqa: ANN401 - whatever the template names
    ) -> HTMLResponse:
        """Render a page, or a part of one.

        Args:
            request: that it answers.
            template: its name.
            viewer: who looks.
            status: of HTTP.
            films_from: origins from which this page plays films, besides the object store's.
            **values: by the names that the template has for them.

        """
        base = request.scope.get("root_path", "")
        notice = _notice_of(request)
        body = self._environment.get_template(template).render(
            base=base,
            here=request.url.path.removeprefix(base),
            static=f"{base}/static/{self._assets.digest}",
            viewer=viewer,
            csrf=viewer.session.csrf if viewer else "",
            is_admin=viewer is not None and viewer.is_admin,
            notice=notice,
            **values,
        )
        response = HTMLResponse(body, status)
        response.headers["Content-Security-Policy"] = self._policy.format(
            "".join(f" {origin}" for origin in sorted(films_from))
        )
        # With "no-referrer" browsers would hide from us where a form comes from.
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "Cookie"
        if notice is not None:
            response.delete_cookie(_NOTICE, path=base or "/")
        return response

    def go(self, request: Request, path: str, notice: Notice | None = None) -> Response:
        """Lead to another page of the dashboard after a form, and tell there what came of it."""
        base = request.scope.get("root_path", "")
        response = RedirectResponse(f"{base}{path}", 303)
        if notice is not None:
            packed = json.dumps([notice.tone, notice.text[:_NOTICE_MAX]]).encode()
            response.set_cookie(
                _NOTICE,
                base64.urlsafe_b64encode(packed).decode(),
                max_age=_NOTICE_S,
                path=base or "/",
                httponly=True,
                samesite="strict",
                secure=is_secure(request, self._settings),
            )
        return response


def pages_of(request: Request) -> Pages:
    """Find the application's pages."""
    pages: Pages = request.app.state.pages
    return pages


def query(values: Mapping[str, object] | None = None, **more: object) -> str:
    """Write a query, without what is empty; lists become repeated fields."""
    chosen = {**(values or {}), **more}
    written = urlencode({k: v for k, v in chosen.items() if v not in (None, "", [], ())}, True)
    return f"?{written}" if written else ""


def _notice_of(request: Request) -> Notice | None:
    try:
        packed = base64.urlsafe_b64decode(request.cookies.get(_NOTICE, ""))
        tone, text = json.loads(packed)
    except (ValueError, TypeError, binascii.Error):
        return None
    return Notice(str(text), "bad" if tone == "bad" else "good")


def _policy(storage: Storage) -> str:
    """Allow what the pages load: everything from here, and films from the object store."""
    store = store_origin(storage)
    media = f"'self' {store}".strip()
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {media}{{0}};"
        f" media-src {media}{{0}}; connect-src {media}; font-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
    )


def store_origin(storage: Storage) -> str:
    """Name the origin that links to objects lead to; empty where it is not known."""
    try:
        address = urlsplit(storage.sign_get("results/none", expires_s=60))
    except JobsError:
        return ""
    return f"{address.scheme}://{address.netloc}"
