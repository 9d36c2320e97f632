"""Who looks and who acts: sessions in cookies, roles, and proof that a form is one of ours."""

import hmac
import ipaddress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from api.admin.forms import Form, FormDep
from api.deps import ServicesDep
from api.errors import OriginRefusedError, RoleMissingError, SignedOutError
from api.settings import ApiSettings
from jobs.api_key import Actor
from jobs.user import DashboardSession, User


@dataclass(frozen=True)
class Viewer:
    """A person who is signed in."""

    session: DashboardSession

    @property
    def user(self) -> User:
        """Whose session it is."""
        return self.session.user

    @property
    def is_admin(self) -> bool:
        """Whether the person may act."""
        return self.user.role == "admin"


@dataclass(frozen=True)
class Act:
    """Something that somebody who may do it asks for by a form."""

    viewer: Viewer
    form: Form

    @property
    def actor(self) -> Actor:
        """Who is named in the audit log."""
        return self.viewer.user.actor


def signed_in(request: Request, services: ServicesDep) -> Viewer:
    """Find out who looks.

    Raises:
        SignedOutError: nobody who signed in, or too long ago.

    """
    token = request.cookies.get(cookie_name(request, services.settings))
    if not token:
        raise SignedOutError("Sign in first.")
    with services.database.reading() as rows:
        session = rows.logins.find(token)
    if session is None:
        raise SignedOutError("Your session has ended; sign in again.")
    if session.is_to_be_noted:
        with services.database.transaction() as rows:
            rows.logins.seen(session)
    return Viewer(session)


Reader = Annotated[Viewer, Depends(signed_in)]


def own_act(request: Request, viewer: Reader, form: FormDep, services: ServicesDep) -> Act:
    """Take a form about the person's own session or password, from whatever role.

    Raises:
        OriginRefusedError: it was sent from another site, or with another session's page.

    """
    check_origin(request, services.settings)
    offered = form.get("csrf") or request.headers.get("x-csrf-token", "")
    if not hmac.compare_digest(offered.encode(), viewer.session.csrf.encode()):
        raise OriginRefusedError("This page is too old; load it again and repeat what you did.")
    return Act(viewer, form)


OwnAct = Annotated[Act, Depends(own_act)]


def admin_act(act: OwnAct) -> Act:
    """Take a form that changes something.

    Raises:
        RoleMissingError: the person may only look.

    """
    if not act.viewer.is_admin:
        raise RoleMissingError("You may look but not change anything; ask an administrator.")
    return act


AdminAct = Annotated[Act, Depends(admin_act)]


def admin_view(viewer: Reader) -> Viewer:
    """Let only administrators look.

    Raises:
        RoleMissingError: the person is none.

    """
    if not viewer.is_admin:
        raise RoleMissingError("Only administrators see this page; ask one of them.")
    return viewer


AdminView = Annotated[Viewer, Depends(admin_view)]


def check_origin(request: Request, settings: ApiSettings) -> None:
    """Let only forms through that were sent by our own pages.

    Raises:
        OriginRefusedError: the browser names another site, or none.

    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = urlsplit(request.headers.get("origin", "")).netloc.lower()
    # A proxy may give the request another Host than the browser did.
    own = {request.headers.get("host", "").lower(), urlsplit(settings.public_url).netloc.lower()}
    if site != "same-origin" or not origin or origin not in own:
        raise OriginRefusedError("This form was sent from another site, so it was not obeyed.")


def address_of(request: Request) -> str:
    """Name where a request comes from: an address, or a network of IPv6 that one person has."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))


def is_secure(request: Request, settings: ApiSettings) -> bool:
    """Tell whether browsers reach the service by HTTPS."""
    return request.url.scheme == "https" or settings.public_url.startswith("https:")


def cookie_name(request: Request, settings: ApiSettings) -> str:
    """Name the cookie; `__Host-` binds it to this host, which browsers allow with HTTPS only."""
    return "__Host-flashvsr" if is_secure(request, settings) else "flashvsr_session"


def set_cookie(response: Response, request: Request, settings: ApiSettings, token: str) -> None:
    """Have the browser keep a session's token until it is closed, out of reach of scripts."""
    response.set_cookie(
        cookie_name(request, settings),
        token,
        httponly=True,
        secure=is_secure(request, settings),
        samesite="lax",
        path="/",
    )


def drop_cookie(response: Response, request: Request, settings: ApiSettings) -> None:
    """Have the browser forget its token."""
    response.delete_cookie(
        cookie_name(request, settings),
        path="/",
        secure=is_secure(request, settings),
        httponly=True,
        samesite="lax",
    )
