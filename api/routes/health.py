"""For load balancers and Prometheus; no key, and nothing about any tenant."""

import logging
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from api.deps import ServicesDep
from api.metrics import RowFigures
from api.schemas.problems import problems
from api.services import BrokerState
from jobs.errors import JobsError

router = APIRouter(tags=["Operation"])

_log = logging.getLogger(__name__)


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests can be served; the broker is told about but not needed."""

    status: Literal["ready", "not_ready"]
    database: Literal["ok", "failing"]
    storage: Literal["ok", "failing"]
    broker: BrokerState


@router.get("/healthz")
async def healthz() -> Health:
    """Tell that the process lives."""
    return Health()


@router.get(
    "/readyz", responses={503: {"description": "Not ready.", "model": Readiness}, **problems(500)}
)
def readyz(services: ServicesDep, response: Response) -> Readiness:
    """Tell whether database and object store answer."""
    database = _answers(services.database.ping)
    storage = _answers(services.storage.ping)
    is_ready = database == storage == "ok" and not services.closing.is_set()
    if not is_ready:
        response.status_code = 503
    return Readiness(
        status="ready" if is_ready else "not_ready",
        database=database,
        storage=storage,
        broker=services.broker,
    )


def _answers(ping: Callable[[], None]) -> Literal["ok", "failing"]:
    try:
        ping()
    except JobsError as error:
        _log.warning("%s", error)
        return "failing"
    return "ok"


@router.get("/metrics", response_class=PlainTextResponse, responses=problems(500, 503))
def metrics(request: Request, services: ServicesDep) -> Response:
    """Give all figures in Prometheus' text format."""
    at_scrape = CollectorRegistry()
    at_scrape.register(RowFigures(services))
    body = generate_latest(request.app.state.registry) + generate_latest(at_scrape)
    return Response(body, media_type=CONTENT_TYPE_LATEST)
