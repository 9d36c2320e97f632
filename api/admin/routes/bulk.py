"""Acting on every job that matches: a question with the exact count, then chunk after chunk.

A request works for a short while only; what is left goes on with the next one, which the page
sends by itself. Nothing is kept on the server in between.
"""

import time
from dataclasses import replace
from datetime import datetime
from typing import Annotated, cast, get_args

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import QueryParams

from api.admin.access import AdminAct, AdminView
from api.admin.forms import Form
from api.admin.job_query import read_query
from api.admin.pages import Notice, pages_of, query
from api.deps import ServicesDep
from api.errors import FieldsInvalidError
from jobs.repository.bulk import BulkAction
from jobs.request import PRIORITIES

router = APIRouter()

_BUDGET_S = 2.0
_CHUNK = 500
_DONE = {"cancel": "canceled", "retry": "queued again", "prioritise": "given another priority"}


@router.get("/jobs/bulk")
def ask(
    request: Request,
    viewer: AdminView,
    services: ServicesDep,
    action: Annotated[BulkAction, Query()],
) -> Response:
    """Tell exactly what would be done, and ask."""
    asked = read_query(request.query_params)
    with services.database.reading() as rows:
        found = rows.bulk.count(asked.tenant, action, asked.job_filter)
    return pages_of(request).show(
        request,
        "jobs/bulk.html",
        viewer,
        action=action,
        asked=asked,
        filters=query(asked.fields).lstrip("?"),
        found=found,
        priorities=PRIORITIES,
    )


@router.post("/jobs/bulk")
def act(request: Request, act: AdminAct, services: ServicesDep) -> Response:
    """Act on the next chunks; show how far it is, or where it ended."""
    form = act.form
    action = _action_of(form)
    filters = form.text("filters")
    asked = read_query(QueryParams(filters))
    settled_before = _moment_of(form)
    priority = form.number("priority", least=PRIORITIES[0], most=PRIORITIES[-1])
    counted = form.number("counted", least=0, most=2**53) or 0
    changed = form.number("changed", least=0, most=2**53) or 0
    looked_at = form.number("looked_at", least=0, most=2**53) or 0
    cursor = form.text("cursor") or None
    until = time.monotonic() + _BUDGET_S
    while True:
        with services.database.transaction() as rows:
            chunk = rows.bulk.apply(
                replace(act.actor, tenant=asked.tenant),
                action,
                asked.job_filter,
                settled_before,
                priority=priority,
                cursor=cursor,
                limit=_CHUNK,
            )
        changed += chunk.changed
        looked_at += chunk.looked_at
        cursor = chunk.next_cursor
        if cursor is None or time.monotonic() > until or services.closing.is_set():
            break
    pages = pages_of(request)
    if cursor is None:
        return pages.go(request, f"/jobs?{filters}", _notice(action, counted, changed))
    return pages.show(
        request,
        "jobs/bulk_progress.html",
        act.viewer,
        action=action,
        filters=filters,
        settled_before=settled_before.isoformat(),
        priority=priority,
        counted=counted,
        changed=changed,
        looked_at=looked_at,
        cursor=cursor,
    )


def _action_of(form: Form) -> BulkAction:
    action = form.text("action")
    if action not in get_args(BulkAction):
        raise FieldsInvalidError("There is no such action; go back and choose one.")
    return cast(BulkAction, action)


def _moment_of(form: Form) -> datetime:
    try:
        at = datetime.fromisoformat(form.text("settled_before"))
    except ValueError as error:
        raise FieldsInvalidError("The question is too old; go back and ask again.") from error
    if at.tzinfo is None:
        raise FieldsInvalidError("The question is too old; go back and ask again.")
    return at


def _notice(action: BulkAction, counted: int, changed: int) -> Notice:
    what = f"{changed} of {counted} {'job was' if counted == 1 else 'jobs were'} {_DONE[action]}"
    if changed < counted:
        return Notice(f"{what}; the others had changed meanwhile or cannot run again.", "bad")
    return Notice(f"{what}.")
