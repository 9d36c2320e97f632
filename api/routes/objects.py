"""Where the links of a local store lead. The link itself is the permission; there is no key."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Annotated

import anyio
import anyio.from_thread
import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from api.deps import ServicesDep
from api.errors import TooSlowError
from api.schemas.problems import problems
from api.services import Services
from jobs.errors import ObjectDamagedError, ObjectNotFoundError
from jobs.storage.links import PATH, Grant
from jobs.storage.local import LocalStorage

router = APIRouter(tags=["Signed links"])

STALL_S = 60.0
_BLOCK_BYTES = 1 << 20
# Uploads hold a thread each for minutes, so they do not take those of the other routes.
_UPLOADS_AT_ONCE = 64

_ADDRESS = f"{PATH}{{key:path}}"
Key = Annotated[str, Path(description="Everything else is in the query.", max_length=2000)]

_FILE = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}


@router.get(
    _ADDRESS,
    response_class=FileResponse,
    responses={
        200: {"description": "The whole object.", **_FILE},
        206: {"description": "The range that was asked for.", **_FILE},
        416: {"description": "The object is shorter than the range."},
        **problems(400, 403, 404, 500, 503),
    },
)
@router.head(_ADDRESS, include_in_schema=False)
def get_object(request: Request, key: Key, services: ServicesDep) -> Response:
    """Download; ranges are served, so that videos can be played from any point."""
    storage = _store(services)
    grant = _granted(request, key, storage)
    path = storage.path_of(grant.key)
    try:
        status = path.stat()
    except OSError as error:
        raise ObjectNotFoundError("This object was removed; ask for a new link.") from error
    return FileResponse(
        path,
        media_type=grant.content_type or "application/octet-stream",
        filename=grant.filename,
        stat_result=status,
        # A stored file must not act on this service's pages, whatever is in it.
        headers={"Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'"},
    )


@router.put(
    _ADDRESS,
    status_code=200,
    responses=problems(400, 403, 404, 408, 422, 500, 503, 507),
    openapi_extra={"requestBody": {"required": True, **_FILE}},
)
async def put_object(request: Request, key: Key, services: ServicesDep) -> Response:
    """Upload an object, or one part of it, of exactly the size that was signed."""
    storage = _store(services)
    grant = _granted(request, key, storage)
    length = request.headers.get("content-length")
    if length is not None and length != str(grant.size_bytes):
        raise ObjectDamagedError(f"The body must have {grant.size_bytes} bytes; it has {length}.")
    blocks = _blocks(request)

    def pull() -> Iterator[bytes]:
        while block := anyio.from_thread.run(partial(anext, blocks, b"")):
            yield block

    await anyio.to_thread.run_sync(storage.receive, grant, pull(), limiter=_limiter(request))
    return Response(status_code=200)


def _store(services: Services) -> LocalStorage:
    assert isinstance(services.storage, LocalStorage), "only then is this router included"
    return services.storage


def _granted(request: Request, key: str, storage: LocalStorage) -> Grant:
    return storage.links.open(request.method, key, dict(request.query_params))


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """Gather the small pieces that come off the wire, and give up on a sender that stalls."""
    held = bytearray()
    pieces = request.stream()
    while True:
        try:
            with anyio.fail_after(STALL_S):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise TooSlowError(f"Nothing came for {STALL_S:.0f} s; send it again.") from error
        if piece:
            held += piece
        if len(held) >= _BLOCK_BYTES or (piece is None and held):
            yield bytes(held)
            held.clear()
        if piece is None:
            return


def _limiter(request: Request) -> anyio.CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "upload_threads"):
        state.upload_threads = anyio.CapacityLimiter(_UPLOADS_AT_ONCE)
    limiter: anyio.CapacityLimiter = state.upload_threads
    return limiter
