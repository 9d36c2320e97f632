"""What boto3 raises, as this project's errors."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from jobs.errors import (
    NotImplementedByStoreError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StorageDeniedError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)

_MISSING = {"NoSuchKey", "NoSuchUpload", "NotFound", "404"}
_BUSY = {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling", "BadDigest"}
_BUSY |= {"ConditionalRequestConflict", "OperationAborted"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"}


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Raise what happens inside as an error that tells whether trying again may help."""
    try:
        yield
    except ClientError as error:
        raise _of_answer(subject, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageDeniedError(
            f"There are no credentials for the object store ({error}); set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY."
        ) from error
    except BotoCoreError as error:
        raise StorageUnavailableError(
            f"The object store did not answer about {subject} ({error}); check STORAGE_URL and the"
            " server."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                f"This machine's disk is full, so that {subject} was not read; make room."
            ) from error
        if isinstance(error, (ConnectionError, TimeoutError)):
            raise StorageUnavailableError(
                f"The connection broke off at {subject} ({error}); try again."
            ) from error
        raise


def _of_answer(subject: str, error: ClientError) -> StorageError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchBucket":
        return StorageDeniedError(f"The bucket of {subject} does not exist; create it.")
    if code in _MISSING:
        return ObjectNotFoundError(f"There is no object {subject}; it may have been removed.")
    if code in _FULL or status == 507:
        return StorageFullError(f"The object store is full, so that {subject} was not written.")
    if status == 412:
        return PreconditionFailedError(f"{subject} is not as it was expected to be.")
    if status == 501:
        return NotImplementedByStoreError(f"The object store cannot do what {subject} needs.")
    if code in _BUSY or status >= 500 or status == 429:
        return StorageUnavailableError(
            f"The object store could not serve {subject} now ({code or status}); try again."
        )
    if status == 403:
        return StorageDeniedError(
            f"The object store does not allow access to {subject} ({code}); check the credentials."
        )
    return StorageError(f"The object store refused {subject}: {error}.")
