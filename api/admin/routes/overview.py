"""The first page: is it healthy, what does it do, what failed."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from api.admin.access import Reader
from api.admin.farm import read_farm
from api.admin.pages import pages_of
from api.admin.plots import TITLES, charts_of
from api.deps import ServicesDep
from api.services import Services
from jobs.api_key import EVERY_TENANT
from jobs.job import State
from jobs.repository.job_lists import JobFilter
from jobs.repository.samples import Span

router = APIRouter()

SpanField = Annotated[Span, Query(alias="over")]

_RECENT = 5
_FAILED: tuple[State, ...] = ("failed",)


@router.get("/")
def show_overview(
    request: Request, viewer: Reader, services: ServicesDep, span: SpanField = "hour"
) -> Response:
    """Show the farm at this moment, and over time."""
    return pages_of(request).show(request, "overview.html", viewer, **_figures(services, span))


@router.get("/overview/live")
def show_figures(
    request: Request, viewer: Reader, services: ServicesDep, span: SpanField = "hour"
) -> Response:
    """Show the part of the page that changes by the second."""
    return pages_of(request).show(request, "overview/live.html", viewer, **_figures(services, span))


@router.get("/overview/table")
def show_table(
    request: Request, viewer: Reader, services: ServicesDep, span: SpanField = "hour"
) -> Response:
    """Show what the plots tell as tables, for browsers without scripts."""
    charts = _charts(services, span)
    return pages_of(request).show(request, "overview/table.html", viewer, span=span, charts=charts)


@router.get("/overview/plots")
def get_plots(viewer: Reader, services: ServicesDep, span: SpanField = "hour") -> Response:
    """Give the lines of the plots, for the page's script."""
    return JSONResponse({"charts": _charts(services, span)}, headers={"Cache-Control": "no-store"})


def _figures(services: Services, span: Span) -> dict[str, Any]:
    with services.database.reading() as rows:
        farm = read_farm(rows)
        totals = rows.job_lists.totals()
        ended = rows.samples.ended(span)
        recent = rows.job_lists.page(EVERY_TENANT, JobFilter(states=_FAILED), limit=_RECENT).jobs
        dead = rows.webhooks.count_dead()
    finished = ended["succeeded"] + ended["failed"]
    return {
        "span": span,
        "farm": farm,
        "troubles": farm.troubles(dead),
        "totals": totals,
        "ended": ended,
        "error_share": ended["failed"] / finished if finished else None,
        "recent": recent,
        "broker": services.broker,
        "charts": TITLES,
    }


def _charts(services: Services, span: Span) -> list[dict[str, Any]]:
    with services.database.reading() as rows:
        return charts_of(rows, span)
