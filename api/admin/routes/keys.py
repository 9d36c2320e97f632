"""API keys: made, shown once, revoked."""

from typing import Annotated, cast

from fastapi import APIRouter, Path, Request, Response

from api.admin.access import AdminAct, AdminView
from api.admin.forms import Form
from api.admin.pages import Notice, pages_of
from api.deps import ServicesDep
from api.errors import FieldsInvalidError
from jobs.api_key import EVERY_TENANT, SCOPES, KeyLimits, Scope
from jobs.errors import RequestInvalidError

router = APIRouter()

KeyIdPath = Annotated[str, Path(max_length=64)]

_NAME_MAX = 255
_MANY = 2**53 - 1


@router.get("/keys")
def list_keys(request: Request, viewer: AdminView, services: ServicesDep) -> Response:
    """Show all keys, without their secrets."""
    return _show(request, viewer, services, None)


@router.post("/keys")
def create(request: Request, act: AdminAct, services: ServicesDep) -> Response:
    """Make a key; this answer alone shows its secrets."""
    try:
        tenant, name, scopes, limits = _read(act.form)
        with services.database.transaction() as rows:
            new = rows.api_keys.create(act.actor, tenant, name, scopes, limits)
    except (FieldsInvalidError, RequestInvalidError) as error:
        return _show(request, act.viewer, services, str(error), act.form)
    return pages_of(request).show(request, "keys/new.html", act.viewer, new=new)


@router.get("/keys/{key_id}/revoke")
def ask_to_revoke(
    request: Request, key_id: KeyIdPath, viewer: AdminView, services: ServicesDep
) -> Response:
    """Ask before a key is made useless."""
    with services.database.reading() as rows:
        found = [key for key in rows.api_keys.list(EVERY_TENANT) if key.id == key_id]
    name = f"{found[0].name} ({found[0].prefix}…)" if found else key_id
    return pages_of(request).show(
        request,
        "confirm.html",
        viewer,
        title="Revoke this API key?",
        sentence="Whoever uses it is refused from now on, and it cannot be made valid again. Its"
        " jobs go on.",
        subject=name,
        path=f"/keys/{key_id}/revoke",
        back="/keys",
        label="Revoke the key",
    )


@router.post("/keys/{key_id}/revoke")
def revoke(request: Request, key_id: KeyIdPath, act: AdminAct, services: ServicesDep) -> Response:
    """Make a key useless."""
    with services.database.transaction() as rows:
        key = rows.api_keys.revoke(act.actor, key_id)
    return pages_of(request).go(request, "/keys", Notice(f"{key.name} was revoked."))


def _show(
    request: Request,
    viewer: AdminView,
    services: ServicesDep,
    problem: str | None,
    form: Form | None = None,
) -> Response:
    with services.database.reading() as rows:
        keys = rows.api_keys.list(EVERY_TENANT)
    return pages_of(request).show(
        request,
        "keys.html",
        viewer,
        status=422 if problem else 200,
        keys=keys,
        scopes=SCOPES,
        problem=problem,
        given=form or {},
        given_scopes=form.every("scope") if form else ["jobs:read", "jobs:write", "uploads:write"],
        tenants=sorted({key.tenant for key in keys}),
    )


def _read(form: Form) -> tuple[str, str, list[Scope], KeyLimits]:
    """Read a new key.

    Raises:
        FieldsInvalidError: a field cannot be used.

    """
    name, tenant, scopes = form.text("name"), form.text("tenant"), form.every("scope")
    if not name or len(name) > _NAME_MAX:
        raise FieldsInvalidError(f"Give the key a name of up to {_NAME_MAX} characters.")
    if not scopes or any(scope not in SCOPES for scope in scopes):
        raise FieldsInvalidError("Choose at least one thing that the key may do.")
    gigabytes = form.number("upload_gb", least=1, most=1_000_000)
    limits = KeyLimits(
        requests_per_minute=form.number("requests_per_minute", least=1, most=1_000_000),
        queued_jobs=form.number("queued_jobs", least=0, most=_MANY),
        pixels=form.number("pixels", least=1, most=_MANY),
        duration_s=form.number("duration_s", least=1, most=1_000_000_000),
        upload_bytes=None if gigabytes is None else gigabytes * 10**9,
        input_prefixes=tuple(form.text("input_prefixes").split()),
        output_prefixes=tuple(form.text("output_prefixes").split()),
    )
    return tenant, name, cast("list[Scope]", scopes), limits
