"""What can go wrong with rows, objects and queues; each message says in a sentence what to do."""

from typing import ClassVar


class JobsError(Exception):
    """An error of this package; `code` is stable and safe to store and to show."""

    code: ClassVar[str] = "jobs_error"
    is_temporary: ClassVar[bool] = False
    """Whether the same call may succeed later without anything being changed."""


class SettingsError(JobsError):
    """A URL or a number in the settings cannot be used."""

    code = "settings_invalid"


class RequestInvalidError(JobsError):
    """A job was asked for in a way that can never work."""

    code = "request_invalid"


class NotFoundError(JobsError):
    """Nothing of that id is visible to this tenant."""

    code = "not_found"


class JobNotFoundError(NotFoundError):
    """No such job."""

    code = "job_not_found"


class UploadNotFoundError(NotFoundError):
    """No such upload."""

    code = "upload_not_found"


class KeyNotFoundError(NotFoundError):
    """No such API key."""

    code = "key_not_found"


class WorkerNotFoundError(NotFoundError):
    """No such worker."""

    code = "worker_not_found"


class WebhookNotFoundError(NotFoundError):
    """No such webhook."""

    code = "webhook_not_found"


class UserNotFoundError(NotFoundError):
    """No such user of the dashboard."""

    code = "user_not_found"


class QueueNotFoundError(NotFoundError):
    """No worker ever served a queue of that name."""

    code = "queue_not_found"


class BatchNotFoundError(NotFoundError):
    """No such batch."""

    code = "batch_not_found"


class WatchNotFoundError(NotFoundError):
    """No such watched prefix."""

    code = "watch_not_found"


class EventInvalidError(JobsError):
    """A message about objects cannot be read."""

    code = "event_invalid"


class ConflictError(JobsError):
    """The request is sound, but not for the state that things are in."""

    code = "conflict"


class StateConflictError(ConflictError):
    """The job's state does not allow the move."""

    code = "state_conflict"


class IdempotencyConflictError(ConflictError):
    """The idempotency key was used before with another body."""

    code = "idempotency_conflict"


class UploadStateError(ConflictError):
    """The upload is not complete yet, or was completed before."""

    code = "upload_state_conflict"


class InputGoneError(ConflictError):
    """The job's input was removed, so that it cannot run again."""

    code = "input_gone"


class InputChangedError(ConflictError):
    """The object was overwritten since it was asked for."""

    code = "input_changed"


class OutputExistsError(ConflictError):
    """Something lies where the result was to go, and nothing is ever overwritten."""

    code = "output_exists"


class OutputSkippedError(ConflictError):
    """Something lies where the result was to go, and that was to be left as it is."""

    code = "output_skipped"


class WatchLoopError(ConflictError):
    """Results would be written where they would be taken for new inputs."""

    code = "watch_loop"


class LimitError(JobsError):
    """A limit of the API key is reached."""

    code = "limit_exceeded"


class RateLimitedError(LimitError):
    """Too many requests in a short time."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LoginThrottledError(RateLimitedError):
    """Too many wrong passwords in a short time."""

    code = "login_throttled"


class TooManyQueuedError(LimitError):
    """Too many jobs of this key are waiting."""

    code = "too_many_queued"


class KeyInvalidError(JobsError):
    """The API key is unknown or revoked."""

    code = "key_invalid"


class FirstLinkInvalidError(JobsError):
    """The link for the first user of the dashboard was used, or has expired."""

    code = "first_link_invalid"


class LeaseLostError(JobsError):
    """The attempt no longer belongs to this worker; whatever it does now counts for nothing."""

    code = "lease_lost"


class DatabaseUnavailableError(JobsError):
    """The database cannot be reached, or did not answer in time."""

    code = "database_unavailable"
    is_temporary = True


class BrokerUnavailableError(JobsError):
    """The bell could not be rung; the outbox rings it later."""

    code = "broker_unavailable"
    is_temporary = True


class StorageError(JobsError):
    """An object could not be written or read, and trying again will not help."""

    code = "storage_error"


class StorageUnavailableError(StorageError):
    """The object store cannot be reached, is overloaded or broke off."""

    code = "storage_unavailable"
    is_temporary = True


class StorageFullError(StorageError):
    """There is no space left, in the store or on this machine's disk."""

    code = "storage_full"
    is_temporary = True


class StorageDeniedError(StorageError):
    """The store refuses the credentials, or the bucket does not exist."""

    code = "storage_denied"


class ObjectNotFoundError(StorageError):
    """There is no such object."""

    code = "object_not_found"


class PreconditionFailedError(StorageError):
    """The object is not the one, or not absent, as the request demanded."""

    code = "precondition_failed"


class NotImplementedByStoreError(StorageError):
    """The store does not know this kind of request."""

    code = "not_implemented_by_store"


class ObjectDamagedError(StorageError):
    """Size or sha256 are not what was recorded."""

    code = "object_damaged"


class LinkInvalidError(StorageError):
    """A signed link was changed, is of another kind, or has expired."""

    code = "link_invalid"
