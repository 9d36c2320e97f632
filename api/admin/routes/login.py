"""Signing in and out, the first-run link, and the own password."""

import logging
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.admin.access import (
    OwnAct,
    Reader,
    address_of,
    check_origin,
    cookie_name,
    drop_cookie,
    set_cookie,
)
from api.admin.forms import Form, FormDep
from api.admin.pages import Notice, pages_of
from api.deps import ServicesDep
from api.services import Services
from jobs.errors import (
    ConflictError,
    FirstLinkInvalidError,
    LoginThrottledError,
    RequestInvalidError,
)
from jobs.user import hash_password, is_password

router = APIRouter()

_log = logging.getLogger(__name__)

_WRONG = "Name or password is wrong; try again."
_NAME_MAX = 64


@router.get("/login")
def show_login(
    request: Request, services: ServicesDep, after: Annotated[str, Query(alias="next")] = ""
) -> Response:
    """Ask for name and password."""
    with services.database.reading() as rows:
        has_users = rows.users.exist()
    return pages_of(request).show(
        request, "login.html", after=after, name="", problem=None, has_users=has_users
    )


@router.post("/login")
def log_in(request: Request, form: FormDep, services: ServicesDep) -> Response:
    """Begin a session where the password is right."""
    check_origin(request, services.settings)
    name, after = form.text("name")[:_NAME_MAX], form.text("next")
    problem = _WRONG
    status = 403
    try:
        token = _begin(request, services, name, form.get("password", ""))
    except LoginThrottledError as error:
        token, problem, status = None, str(error), 429
    if token is None:
        return pages_of(request).show(
            request,
            "login.html",
            status=status,
            after=after,
            name=name,
            problem=problem,
            has_users=True,
        )
    response = pages_of(request).go(request, after if after.startswith("/") else "/")
    set_cookie(response, request, services.settings, token)
    return response


def _begin(request: Request, services: Services, name: str, password: str) -> str | None:
    """Check a password; return a session's token, or None where it is wrong."""
    address = address_of(request)
    # Three steps, because hashing must neither hold a transaction open nor be had for nothing.
    try:
        with services.database.transaction() as rows:
            rows.logins.spend(name, address)
    except LoginThrottledError:
        _log.warning("too many wrong passwords from %s", address)
        raise
    with services.database.reading() as rows:
        known = rows.logins.password_hash_of(name)
    if not is_password(known, password):
        _log.warning("a wrong password from %s", address)
        return None
    with services.database.transaction() as rows:
        before = rows.logins.find(request.cookies.get(cookie_name(request, services.settings), ""))
        if before is not None:
            rows.logins.end(before)
        begun = rows.logins.begin(name, address)
    return None if begun is None else begun[1]


@router.post("/logout")
def log_out(request: Request, act: OwnAct, services: ServicesDep) -> Response:
    """End this session, or all of the person's."""
    with services.database.transaction() as rows:
        if act.form.get("everywhere"):
            count = rows.logins.end_all(act.viewer.user)
            said = f"Signed out of {count} {'browser' if count == 1 else 'browsers'}."
        else:
            rows.logins.end(act.viewer.session)
            said = "Signed out."
    response = pages_of(request).go(request, "/login", Notice(said))
    drop_cookie(response, request, services.settings)
    return response


@router.get("/first")
def show_first(
    request: Request, services: ServicesDep, token: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Ask who the first user will be; looking does not use the link up."""
    with services.database.reading() as rows:
        is_valid = rows.users.is_first_link(token)
    if not is_valid:
        raise FirstLinkInvalidError(
            "This link was used or has expired; restart the service for another one, or run"
            " 'python -m api users add'."
        )
    return pages_of(request).show(request, "first.html", token=token, name="admin", problem=None)


@router.post("/first")
def become_first(request: Request, form: FormDep, services: ServicesDep) -> Response:
    """Make the first user and sign this browser in."""
    check_origin(request, services.settings)
    token, name = form.text("token"), form.text("name")
    try:
        password_hash = hash_password(_new_password(form))
        with services.database.transaction() as rows:
            rows.users.use_first_link(token, name, password_hash)
            begun = rows.logins.begin(name, address_of(request))
    except (RequestInvalidError, ConflictError) as error:
        return pages_of(request).show(
            request, "first.html", status=422, token=token, name=name, problem=str(error)
        )
    assert begun is not None, "the user was made in this transaction"
    response = pages_of(request).go(request, "/", Notice(f"Welcome, {name}."))
    set_cookie(response, request, services.settings, begun[1])
    return response


@router.get("/account")
def show_account(request: Request, viewer: Reader) -> Response:
    """Show the own account."""
    return pages_of(request).show(request, "account.html", viewer, problem=None)


@router.post("/account/password")
def change_password(request: Request, act: OwnAct, services: ServicesDep) -> Response:
    """Change the own password; every other browser is signed out."""
    user, form = act.viewer.user, act.form
    address = address_of(request)
    problem = None
    try:
        with services.database.transaction() as rows:
            rows.logins.spend(user.name, address)
        with services.database.reading() as rows:
            known = rows.logins.password_hash_of(user.name)
        if is_password(known, form.get("password", "")):
            password_hash = hash_password(_new_password(form))
        else:
            problem = "The present password is wrong; try again."
    except (LoginThrottledError, RequestInvalidError) as error:
        problem = str(error)
    if problem is not None:
        return pages_of(request).show(
            request, "account.html", act.viewer, status=422, problem=problem
        )
    with services.database.transaction() as rows:
        rows.users.set_password(act.actor, user.name, password_hash)
        begun = rows.logins.begin(user.name, address)
    response = pages_of(request).go(
        request, "/account", Notice("Password changed; other browsers are signed out.")
    )
    if begun is not None:
        set_cookie(response, request, services.settings, begun[1])
    return response


def _new_password(form: Form) -> str:
    first, second = form.get("new_password", ""), form.get("repeated", "")
    if first != second:
        raise RequestInvalidError("The two passwords differ; type the same one twice.")
    return first
