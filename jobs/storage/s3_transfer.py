"""Moving an object's bytes to and from S3, hashing them on the way.

Functions over boto3's client; the object is named by `at`, its `Bucket` and `Key`.
"""

import hashlib
from base64 import b64encode
from typing import Any, BinaryIO

from jobs.errors import (
    NotImplementedByStoreError,
    ObjectDamagedError,
    StorageUnavailableError,
)
from jobs.storage.interface import MIB, OnBytes
from jobs.storage.s3_errors import translated

_RESUMES = 4

At = dict[str, str]


def send_whole(
    client: Any,  # noqa: ANN401 - boto3 has no types
    at: At,
    file: BinaryIO,
    on_bytes: OnBytes | None,
    **more: object,
) -> tuple[int, str]:
    """Send a small file as one request; return its size and sha256. `more` goes along with it."""
    body = file.read()
    client.put_object(**at, Body=body, ContentMD5=_md5(body), **more)
    if on_bytes is not None:
        on_bytes(len(body))
    return len(body), hashlib.sha256(body).hexdigest()


def send_parts(
    client: Any,  # noqa: ANN401
    upload: At,
    file: BinaryIO,
    step_bytes: int,
    on_bytes: OnBytes | None,
    **conditions: object,
) -> tuple[int, str]:
    """Send a file in parts and complete it, under conditions; return its size and sha256.

    `upload` is the object with the `UploadId` that was started; aborting it is up to the caller.
    Where the store does not know the conditions, it is completed without them.
    """
    digest, size_bytes, parts = hashlib.sha256(), 0, []
    for number, body in enumerate(iter(lambda: file.read(step_bytes), b""), 1):
        answer = client.upload_part(**upload, PartNumber=number, Body=body, ContentMD5=_md5(body))
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        digest.update(body)
        size_bytes += len(body)
        if on_bytes is not None:
            on_bytes(len(body))
    whole = {**upload, "MultipartUpload": {"Parts": parts}}
    try:
        with translated(upload["Key"]):
            client.complete_multipart_upload(**whole, **conditions)
    except NotImplementedByStoreError:
        client.complete_multipart_upload(**whole)
    return size_bytes, digest.hexdigest()


def receive(
    client: Any,  # noqa: ANN401
    at: At,
    file: BinaryIO,
    on_bytes: OnBytes | None,
) -> tuple[int, str]:
    """Read an object into a file, going on where it breaks off; return its size and sha256.

    Raises:
        ObjectDamagedError: it has another size when reading goes on.

    """
    digest, done, total, breaks = hashlib.sha256(), 0, None, 0
    while total is None or done < total:
        resumed = {"Range": f"bytes={done}-"} if done else {}
        try:
            with translated(at["Key"]):
                answer = client.get_object(**at, **resumed)
                length = done + answer["ContentLength"]
                if total is not None and length != total:
                    raise ObjectDamagedError(
                        f"{at['Key']} was replaced while it was read; submit a new job."
                    )
                total = length
                for chunk in answer["Body"].iter_chunks(MIB):
                    file.write(chunk)
                    digest.update(chunk)
                    done += len(chunk)
                    if on_bytes is not None:
                        on_bytes(len(chunk))
        except StorageUnavailableError:
            breaks += 1
            if total is None or breaks > _RESUMES:
                raise
    return done, digest.hexdigest()


def _md5(body: bytes) -> str:
    # Lets the server notice a part that was damaged on the way; not a matter of security.
    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
