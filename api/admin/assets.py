"""Scripts and styles, served from memory under an address that changes with their content."""

import hashlib
import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request, Response

from api.errors import NoSuchAddressError

router = APIRouter()

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Assets:
    """All static files; one digest for all of them, so that modules find one another."""

    def __init__(self) -> None:
        self.files = {
            path.relative_to(_FOLDER).as_posix(): path.read_bytes()
            for path in sorted(_FOLDER.rglob("*"))
            if path.is_file()
        }
        digest = hashlib.sha256()
        for name, body in self.files.items():
            digest.update(f"{name} {len(body)} ".encode() + body)
        self.digest = digest.hexdigest()[:16]


@router.get("/static/{digest}/{name:path}")
async def get_asset(digest: str, name: str, request: Request) -> Response:
    """Give a file, which may be kept for ever because another content has another address."""
    assets: Assets = request.app.state.assets
    body = assets.files.get(name)
    if body is None:
        raise NoSuchAddressError("There is no such file.")
    media_type = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "text/plain"
    # Pages of another release may ask for their own files while it is replaced.
    is_current = digest == assets.digest
    cached = "public, max-age=31536000, immutable" if is_current else "no-store"
    return Response(body, media_type=media_type, headers={"Cache-Control": cached})
