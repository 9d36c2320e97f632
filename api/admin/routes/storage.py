"""Storage: who keeps how much, and until when."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Request, Response

from api.admin.access import Reader
from api.admin.pages import pages_of
from api.deps import ServicesDep
from api.services import Services

router = APIRouter()


@router.get("/storage")
def show_storage(request: Request, viewer: Reader, services: ServicesDep) -> Response:
    """Show what is kept for each tenant, and the rules of retention."""
    with services.database.reading() as rows:
        use = rows.storage_use.by_tenant()
        removals = rows.storage_use.pending_removals()
    return pages_of(request).show(
        request,
        "storage.html",
        viewer,
        use=use,
        removals=removals,
        policy=services.database.policy,
        disk=_disk(services),
        where=_where(services),
    )


def _where(services: Services) -> str:
    """Name the store without what lets anybody in."""
    address = urlsplit(services.settings.storage)
    return f"{address.scheme}://{address.hostname or ''}{address.path}"


def _disk(services: Services) -> "shutil._ntuple_diskusage | None":
    """Look at the disk under a local store; None where the store is elsewhere."""
    address = urlsplit(services.settings.storage)
    if address.scheme != "file":
        return None
    try:
        return shutil.disk_usage(Path(unquote(address.path)))
    except OSError:
        return None
