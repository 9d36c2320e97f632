"""Files on their way in: announced here, sent to signed links, verified here."""

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.auth import UploadsWriter
from api.deps import ServicesDep
from api.errors import UploadTooLargeError
from api.reception import again, announce, assemble, parts_arrived, sign_parts, sign_whole
from api.schemas.problems import keyed
from api.schemas.texts import UploadId
from api.schemas.uploads import (
    Completion,
    NewUpload,
    PartOut,
    PartsOut,
    RequestOut,
    UploadOut,
    part_count,
)
from api.services import Services
from jobs.api_key import ApiKey
from jobs.errors import ObjectDamagedError
from jobs.repository.uploads import Upload

router = APIRouter(prefix="/v1/uploads", tags=["Uploads"])


@router.post("", status_code=201, responses=keyed(413, 507))
def create_upload(
    body: NewUpload, key: UploadsWriter, services: ServicesDep, response: Response
) -> UploadOut:
    """Announce a file.

    A small one comes with the request that sends it. A large one is sent in parts, whose requests
    `GET …/parts` gives. Complete it once everything is sent.
    """
    upload = announce(services, key.actor, body)
    response.headers["Location"] = f"/v1/uploads/{upload.id}"
    return UploadOut.of(upload, sign_whole(services, upload), parts_arrived(services, upload))


@router.get("/{upload_id}", responses=keyed(404))
def get_upload(upload_id: UploadId, key: UploadsWriter, services: ServicesDep) -> UploadOut:
    """Read an upload.

    While it is pending, with a fresh request to send it, or with the parts that have come, so that
    what broke off can go on.
    """
    upload = _read(services, key, upload_id)
    return UploadOut.of(upload, sign_whole(services, upload), parts_arrived(services, upload))


@router.get("/{upload_id}/parts", responses=keyed(404, 409))
def list_parts(
    upload_id: UploadId,
    key: UploadsWriter,
    services: ServicesDep,
    after: Annotated[int, Query(ge=0, le=10_000, description="The last number known.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> PartsOut:
    """List the requests that send the parts; every call signs them afresh."""
    upload = _read(services, key, upload_id)
    parts = [
        PartOut(
            number=part.number,
            offset_bytes=part.offset_bytes,
            size_bytes=part.size_bytes,
            request=RequestOut.of(part.request),
        )
        for part in sign_parts(services, upload, range(after + 1, after + limit + 1))
    ]
    is_end = after + limit >= (part_count(upload) or 0)
    return PartsOut(parts=parts, next_after=None if is_end else after + limit)


@router.post("/{upload_id}/complete", responses=keyed(404, 409, 413, 507))
def complete_upload(
    upload_id: UploadId, key: UploadsWriter, services: ServicesDep, body: Completion | None = None
) -> UploadOut:
    """Say that everything was sent. The size is verified, and the sha256 where it is given.

    What does not match is removed: send it again. Completing twice is as good as once.
    """
    upload = _read(services, key, upload_id)
    if upload.state == "pending":
        assemble(services, upload)
    if body is not None and body.sha256 is not None:
        _verify_sha256(services, upload, body.sha256)
    with services.database.transaction() as rows:
        return UploadOut.of(rows.uploads.complete(key.tenant, upload_id))


def _verify_sha256(services: Services, upload: Upload, sha256: str) -> None:
    """Read the object back; no server's own checksum can be relied on."""
    most = services.settings.sha256_max_bytes
    if upload.size_bytes > most:
        raise UploadTooLargeError(
            f"A sha256 is verified up to {most} bytes; leave it out, the size is verified."
        )
    with tempfile.TemporaryDirectory(prefix="flashvsr-verify-") as folder:
        try:
            services.storage.get(upload.object_key, Path(folder, "source"), sha256=sha256)
        except ObjectDamagedError as error:
            if upload.state == "pending":
                services.storage.delete(upload.object_key)
            raise ObjectDamagedError(
                f"{upload.id} has another sha256 than was given; {again(upload)}."
            ) from error


@router.delete("/{upload_id}", status_code=204, responses=keyed(404, 409))
def delete_upload(upload_id: UploadId, key: UploadsWriter, services: ServicesDep) -> None:
    """Break an upload off, or forget a complete one that no waiting or running job needs."""
    with services.database.transaction() as rows:
        rows.uploads.delete(key.actor, upload_id)


def _read(services: Services, key: ApiKey, upload_id: str) -> Upload:
    with services.database.reading() as rows:
        return rows.uploads.get(key.tenant, upload_id)
