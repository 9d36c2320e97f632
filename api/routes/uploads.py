"""Files on their way in: announced here, sent to signed links, verified here."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.auth import UploadsWriter
from api.deps import ServicesDep
from api.errors import UploadIncompleteError, UploadNotMultipartError, UploadTooLargeError
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
from jobs.errors import ObjectDamagedError, ObjectNotFoundError, UploadStateError
from jobs.identifiers import new_id
from jobs.object_keys import upload_key
from jobs.repository.uploads import Upload
from jobs.storage import SignedRequest
from jobs.storage.interface import PART_BYTES, part_size

router = APIRouter(prefix="/v1/uploads", tags=["Uploads"])


@router.post("", status_code=201, responses=keyed(413, 507))
def create_upload(
    body: NewUpload, key: UploadsWriter, services: ServicesDep, response: Response
) -> UploadOut:
    """Announce a file.

    A small one comes with the request that sends it. A large one is sent in parts, whose requests
    `GET …/parts` gives. Complete it once everything is sent.
    """
    _check_size(services, key, body.size_bytes)
    upload_id, multipart_id, part_size_bytes = new_id("upl"), None, None
    object_key = upload_key(upload_id)
    if body.multipart or (body.multipart is None and body.size_bytes > PART_BYTES):
        part_size_bytes = part_size(body.size_bytes)
        multipart_id = services.storage.start_multipart(object_key, content_type=body.content_type)
    try:
        with services.database.transaction() as rows:
            upload = rows.uploads.announce(
                key.actor,
                upload_id,
                filename=body.filename,
                content_type=body.content_type,
                size_bytes=body.size_bytes,
                multipart_id=multipart_id,
                part_size_bytes=part_size_bytes,
            )
    except BaseException:
        if multipart_id is not None:
            services.storage.abort_multipart(object_key, multipart_id)
        raise
    response.headers["Location"] = f"/v1/uploads/{upload.id}"
    return UploadOut.of(upload, _request(services, upload))


def _check_size(services: Services, key: ApiKey, size_bytes: int) -> None:
    limits = (services.settings.upload_max_bytes, key.limits.upload_bytes)
    most = min(limit for limit in limits if limit is not None)
    if size_bytes > most:
        raise UploadTooLargeError(f"A file can have at most {most} bytes here.")


@router.get("/{upload_id}", responses=keyed(404))
def get_upload(upload_id: UploadId, key: UploadsWriter, services: ServicesDep) -> UploadOut:
    """Read an upload; while it is pending and in one piece, with a fresh request to send it."""
    upload = _read(services, key, upload_id)
    return UploadOut.of(upload, _request(services, upload))


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
    count = part_count(upload)
    if count is None or upload.multipart_id is None or upload.part_size_bytes is None:
        raise UploadNotMultipartError(f"{upload_id} comes in one piece; read it for its request.")
    if upload.state == "complete":
        raise UploadStateError(f"{upload_id} is complete; there is nothing more to send.")
    last = min(count, after + limit)
    parts = []
    for number in range(after + 1, last + 1):
        offset = (number - 1) * upload.part_size_bytes
        size = min(upload.part_size_bytes, upload.size_bytes - offset)
        signed = services.storage.sign_part(
            upload.object_key,
            upload.multipart_id,
            number,
            size_bytes=size,
            expires_s=services.settings.link_kept_s,
        )
        parts.append(
            PartOut(
                number=number,
                offset_bytes=offset,
                size_bytes=size,
                request=RequestOut.of(signed),
            )
        )
    return PartsOut(parts=parts, next_after=last if last < count else None)


@router.post("/{upload_id}/complete", responses=keyed(404, 409, 413, 507))
def complete_upload(
    upload_id: UploadId, key: UploadsWriter, services: ServicesDep, body: Completion | None = None
) -> UploadOut:
    """Say that everything was sent. The size is verified, and the sha256 where it is given.

    What does not match is removed: send it again. Completing twice is as good as once.
    """
    upload = _read(services, key, upload_id)
    if upload.state == "pending":
        _assemble(services, upload)
    if body is not None and body.sha256 is not None:
        _verify_sha256(services, upload, body.sha256)
    with services.database.transaction() as rows:
        return UploadOut.of(rows.uploads.complete(key.tenant, upload_id))


def _assemble(services: Services, upload: Upload) -> None:
    """Put parts together and compare the size."""
    if upload.multipart_id is not None:
        # An earlier try may have put them together and died before it could write that down.
        with suppress(ObjectNotFoundError):
            services.storage.finish_multipart(upload.object_key, upload.multipart_id)
    facts = services.storage.head(upload.object_key)
    if facts is None:
        raise UploadIncompleteError(f"Nothing has come of {upload.id}; send it, then complete it.")
    if facts.size_bytes != upload.size_bytes:
        services.storage.delete(upload.object_key)
        raise ObjectDamagedError(
            f"{upload.id} has {facts.size_bytes} bytes where {upload.size_bytes} were announced;"
            f" it was removed; {_again(upload)}."
        )


def _again(upload: Upload) -> str:
    return "send it again" if upload.multipart_id is None else "begin a new upload"


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
                f"{upload.id} has another sha256 than was given; {_again(upload)}."
            ) from error


@router.delete("/{upload_id}", status_code=204, responses=keyed(404, 409))
def delete_upload(upload_id: UploadId, key: UploadsWriter, services: ServicesDep) -> None:
    """Break an upload off, or forget a complete one that no waiting or running job needs."""
    with services.database.transaction() as rows:
        rows.uploads.delete(key.actor, upload_id)


def _read(services: Services, key: ApiKey, upload_id: str) -> Upload:
    with services.database.reading() as rows:
        return rows.uploads.get(key.tenant, upload_id)


def _request(services: Services, upload: Upload) -> SignedRequest | None:
    """Sign the request that sends the whole file."""
    if upload.state == "complete" or upload.multipart_id is not None:
        return None
    return services.storage.sign_put(
        upload.object_key,
        size_bytes=upload.size_bytes,
        content_type=upload.content_type,
        expires_s=services.settings.link_kept_s,
    )
