"""Webhooks: what was delivered, what was not, and sending it again."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api.admin.access import AdminAct, AdminView, Reader
from api.admin.pages import Notice, pages_of
from api.admin.routes.jobs import PAGE, CursorField
from api.deps import ServicesDep
from api.errors import FieldsInvalidError
from jobs.repository.webhooks import WebhookStatus

router = APIRouter()

StatusField = Annotated[Literal["", "pending", "delivered", "dead"], Query()]
WebhookIdPath = Annotated[str, Path(max_length=64)]


@router.get("/webhooks")
def list_webhooks(
    request: Request,
    viewer: Reader,
    services: ServicesDep,
    status: StatusField = "",
    cursor: CursorField = None,
) -> Response:
    """Show webhooks, newest first."""
    chosen: WebhookStatus | None = status or None
    with services.database.reading() as rows:
        page = rows.webhooks.page(status=chosen, limit=PAGE, cursor=cursor)
        dead = rows.webhooks.count_dead()
    return pages_of(request).show(
        request,
        "webhooks.html",
        viewer,
        webhooks=page.webhooks,
        next_cursor=page.next_cursor,
        is_first=cursor is None,
        chosen=status,
        dead=dead,
    )


@router.post("/webhooks/{webhook_id}/replay")
def replay(
    request: Request, webhook_id: WebhookIdPath, act: AdminAct, services: ServicesDep
) -> Response:
    """Send a message again."""
    with services.database.transaction() as rows:
        webhook = rows.webhooks.replay(act.actor, webhook_id)
    said = f"{webhook.id} will be sent again within seconds, with the same id."
    return pages_of(request).go(request, "/webhooks", Notice(said))


@router.get("/webhooks/dead/replay")
def ask_to_replay_dead(request: Request, viewer: AdminView, services: ServicesDep) -> Response:
    """Ask before all messages that were given up are sent again."""
    with services.database.reading() as rows:
        found = rows.webhooks.dead_until_now()
    return pages_of(request).show(request, "webhooks/replay.html", viewer, found=found)


@router.post("/webhooks/dead/replay-all")
def replay_dead(request: Request, act: AdminAct, services: ServicesDep) -> Response:
    """Send all messages again that had been given up when it was asked."""
    try:
        before = datetime.fromisoformat(act.form.text("before"))
    except ValueError as error:
        raise FieldsInvalidError("The question is too old; go back and ask again.") from error
    if before.tzinfo is None:
        raise FieldsInvalidError("The question is too old; go back and ask again.")
    total = 0
    while True:
        with services.database.transaction() as rows:
            count = rows.webhooks.replay_dead(act.actor, before)
        total += count
        if not count:
            break
    counted = act.form.number("counted", least=0, most=2**53) or 0
    said = f"{total} of {counted} webhooks will be sent again within seconds."
    return pages_of(request).go(request, "/webhooks", Notice(said))
