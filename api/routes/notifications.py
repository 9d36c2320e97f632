"""Where stores post what happened to objects; they come with a secret and not with an API key."""

import base64
import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request

from api.deps import ServicesDep
from api.errors import EventSecretInvalidError
from api.schemas.problems import problems
from api.schemas.watches import EventsTakenOut
from api.services import Services
from jobs.object_events import read_message
from jobs.watch import Watch, sha256_of_event_secret

router = APIRouter(prefix="/v1/events", tags=["Watched prefixes"])

_BODY = {
    "requestBody": {
        "required": True,
        "description": "As S3, MinIO, Ceph, SeaweedFS's filer or EventBridge send it.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "Records": [
                        {
                            "eventName": "ObjectCreated:Put",
                            "s3": {
                                "bucket": {"name": "films"},
                                "object": {"key": "inbox/my+film.mp4", "sequencer": "0055AED6"},
                            },
                        }
                    ]
                },
            }
        },
    }
}


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post("/s3", responses=problems(400, 401, 413, 422, 500, 503), openapi_extra=_BODY)
def take_events(
    body: Annotated[bytes, Depends(_body)],
    services: ServicesDep,
    x_flashvsr_event_secret: Annotated[str | None, Header(max_length=200)] = None,
    authorization: Annotated[str | None, Header(max_length=400)] = None,
) -> EventsTakenOut:
    """Take what a store posts.

    The secret of a watch, or the service's own for all of them, comes in `X-FlashVSR-Event-Secret`,
    or as a bearer token, or as the password of basic authentication. Posting something again does
    no harm.
    """
    offered = x_flashvsr_event_secret or _secret_of(authorization)
    watch = _watch_of(services, offered)
    intake = services.open_intake()
    events = submitted = 0
    for event in read_message(body):
        decisions = intake.take(event, "webhook", None if watch is None else watch.id)
        events += 1
        submitted += sum(decision.job is not None for decision in decisions)
    return EventsTakenOut(events=events, submitted=submitted)


def _secret_of(authorization: str | None) -> str:
    scheme, _, rest = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return rest if scheme.lower() == "bearer" else authorization or ""
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _watch_of(services: Services, offered: str) -> Watch | None:
    """Find the watch that a secret is for; None is all of them.

    Raises:
        EventSecretInvalidError: there is no such secret.

    """
    common = services.settings.events_secret
    # Hashes of one length, compared in constant time; that of a watch is looked up by its hash.
    hashes = (sha256_of_event_secret(offered), sha256_of_event_secret(common or ""))
    if common is not None and hmac.compare_digest(*hashes):
        return None
    with services.database.reading() as rows:
        watch = rows.watches.of_secret(offered) if offered else None
    if watch is None:
        raise EventSecretInvalidError(
            "Send the secret that POST /v1/watches gave as 'X-FlashVSR-Event-Secret', or as a"
            " bearer token."
        )
    return watch
