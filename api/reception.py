"""Taking a file in: announced, sent by links that are signed here, put together and verified.

REST and the dashboard are two doors to it; it does not know who asks.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from api.errors import UploadIncompleteError, UploadNotMultipartError, UploadTooLargeError
from api.schemas.uploads import NewUpload, part_count
from api.services import Services
from jobs.api_key import Actor
from jobs.errors import ObjectDamagedError, ObjectNotFoundError, UploadStateError
from jobs.identifiers import new_id
from jobs.object_keys import upload_key
from jobs.repository.uploads import Upload
from jobs.storage import SignedRequest
from jobs.storage.interface import PART_BYTES, part_size


@dataclass(frozen=True)
class Part:
    """One piece of a file, and the request that sends it."""

    number: int
    offset_bytes: int
    size_bytes: int
    request: SignedRequest


def announce(services: Services, actor: Actor, new: NewUpload) -> Upload:
    """Write an upload down before its first byte comes; a large one is sent in parts.

    Raises:
        UploadTooLargeError: it is beyond the service's limit, or that of whoever sends it.
        StorageError: the object store cannot begin it.

    """
    limits = (services.settings.upload_max_bytes, actor.limits.upload_bytes)
    most = min(limit for limit in limits if limit is not None)
    if new.size_bytes > most:
        raise UploadTooLargeError(f"A file can have at most {most} bytes here.")
    upload_id, multipart_id, part_size_bytes = new_id("upl"), None, None
    object_key = upload_key(upload_id)
    if new.multipart or (new.multipart is None and new.size_bytes > PART_BYTES):
        part_size_bytes = part_size(new.size_bytes)
        multipart_id = services.storage.start_multipart(object_key, content_type=new.content_type)
    try:
        with services.database.transaction() as rows:
            return rows.uploads.announce(
                actor,
                upload_id,
                filename=new.filename,
                content_type=new.content_type,
                size_bytes=new.size_bytes,
                multipart_id=multipart_id,
                part_size_bytes=part_size_bytes,
            )
    except BaseException:
        if multipart_id is not None:
            services.storage.abort_multipart(object_key, multipart_id)
        raise


def sign_whole(services: Services, upload: Upload) -> SignedRequest | None:
    """Sign the request that sends the whole file; None where it comes in parts or is complete."""
    if upload.state == "complete" or upload.multipart_id is not None:
        return None
    return services.storage.sign_put(
        upload.object_key,
        size_bytes=upload.size_bytes,
        content_type=upload.content_type,
        expires_s=services.settings.link_kept_s,
    )


def sign_parts(services: Services, upload: Upload, numbers: Iterable[int]) -> Iterator[Part]:
    """Sign the requests of some parts; numbers that the upload does not have are left out.

    Raises:
        UploadNotMultipartError: the file comes in one piece.
        UploadStateError: it is complete.

    """
    count = part_count(upload)
    if count is None or upload.multipart_id is None or upload.part_size_bytes is None:
        raise UploadNotMultipartError(f"{upload.id} comes in one piece; read it for its request.")
    if upload.state == "complete":
        raise UploadStateError(f"{upload.id} is complete; there is nothing more to send.")
    for number in numbers:
        if not 1 <= number <= count:
            continue
        offset = (number - 1) * upload.part_size_bytes
        size_bytes = min(upload.part_size_bytes, upload.size_bytes - offset)
        signed = services.storage.sign_part(
            upload.object_key,
            upload.multipart_id,
            number,
            size_bytes=size_bytes,
            expires_s=services.settings.link_kept_s,
        )
        yield Part(number, offset, size_bytes, signed)


def parts_arrived(services: Services, upload: Upload) -> list[int] | None:
    """Ask the store which parts have come, whole; None where the file does not come in parts."""
    if upload.state == "complete" or upload.multipart_id is None or upload.part_size_bytes is None:
        return None
    try:
        sizes = services.storage.parts_arrived(upload.object_key, upload.multipart_id)
    except ObjectNotFoundError:
        # Put together by a completion that could not write it down: then all of it is here.
        is_whole = services.storage.head(upload.object_key) is not None
        return list(range(1, (part_count(upload) or 0) + 1)) if is_whole else []
    step = upload.part_size_bytes
    return [
        number
        for number, size_bytes in sizes.items()
        if size_bytes == min(step, upload.size_bytes - (number - 1) * step)
    ]


def assemble(services: Services, upload: Upload) -> None:
    """Put parts together and compare the size.

    Raises:
        UploadIncompleteError: nothing has come.
        ObjectDamagedError: it has another size than was announced; it is removed.

    """
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
            f" it was removed; {again(upload)}."
        )


def again(upload: Upload) -> str:
    """Say how to repeat what went wrong."""
    return "send it again" if upload.multipart_id is None else "begin a new upload"
