"""The one table that says what an exception means for a job: a code, a sentence, and what next."""

import sys
from dataclasses import dataclass

import jobs.errors as jobs_errors
import media.errors as media_errors
from jobs.errors import JobsError
from jobs.job import Reason
from media.errors import MediaError


@dataclass(frozen=True)
class Failure:
    """What becomes of a job whose attempt failed."""

    reason: Reason
    is_retriable: bool
    """Whether another attempt may go better."""
    is_process_broken: bool = False
    """Whether this process can run no other job: its GPU does not answer properly any more."""


@dataclass(frozen=True)
class _Rule:
    is_retriable: bool
    sentence: str | None = None
    """Shown in place of the exception's own, which may name hosts and folders of ours."""


_FINAL = _Rule(is_retriable=False)
_AGAIN = _Rule(is_retriable=True)
_STORE = _Rule(is_retriable=True, sentence="The object store could not be used for a while.")
_DISK = _Rule(is_retriable=True, sentence="The worker's disk could not be used.")
_WORKER = _Rule(is_retriable=True, sentence="The worker is not set up for this job.")
_OURS = _Rule(is_retriable=False, sentence="The worker made a mistake; its log tells more.")

_MEDIA = {
    media_errors.MediaError: _FINAL,
    media_errors.InputError: _FINAL,
    media_errors.InputMissingError: _DISK,
    media_errors.NotAVideoError: _FINAL,
    media_errors.FormatNotAllowedError: _FINAL,
    media_errors.NoVideoStreamError: _FINAL,
    media_errors.TooLargeError: _FINAL,
    media_errors.AlphaNotSupportedError: _FINAL,
    media_errors.ColorNotSupportedError: _FINAL,
    media_errors.RotationNotSupportedError: _FINAL,
    media_errors.TruncatedError: _FINAL,
    media_errors.DecodeError: _FINAL,
    media_errors.TimestampError: _FINAL,
    media_errors.SizeChangedError: _FINAL,
    media_errors.HardwareNotAvailableError: _WORKER,
    media_errors.ProbeToolMissingError: _WORKER,
    media_errors.OutputError: _FINAL,
    media_errors.OutputNotWritableError: _DISK,
    media_errors.OutputFormatError: _FINAL,
    media_errors.OutputFullError: _DISK,
    media_errors.StreamNotSupportedByContainerError: _FINAL,
    media_errors.EncodingNotSupportedError: _FINAL,
    media_errors.EncoderNotAvailableError: _WORKER,
    media_errors.EncodeError: _FINAL,
}

_JOBS = {
    jobs_errors.JobsError: _OURS,
    jobs_errors.SettingsError: _WORKER,
    jobs_errors.RequestInvalidError: _FINAL,
    jobs_errors.NotFoundError: _FINAL,
    jobs_errors.JobNotFoundError: _FINAL,
    jobs_errors.UploadNotFoundError: _FINAL,
    jobs_errors.KeyNotFoundError: _OURS,
    jobs_errors.WorkerNotFoundError: _OURS,
    jobs_errors.WebhookNotFoundError: _OURS,
    jobs_errors.UserNotFoundError: _OURS,
    jobs_errors.QueueNotFoundError: _OURS,
    jobs_errors.BatchNotFoundError: _OURS,
    jobs_errors.WatchNotFoundError: _OURS,
    jobs_errors.EventInvalidError: _OURS,
    jobs_errors.WatchLoopError: _OURS,
    jobs_errors.ConflictError: _OURS,
    jobs_errors.StateConflictError: _OURS,
    jobs_errors.IdempotencyConflictError: _OURS,
    jobs_errors.UploadStateError: _OURS,
    jobs_errors.InputGoneError: _FINAL,
    jobs_errors.InputChangedError: _FINAL,
    jobs_errors.OutputExistsError: _FINAL,
    jobs_errors.OutputSkippedError: _FINAL,
    jobs_errors.LimitError: _OURS,
    jobs_errors.RateLimitedError: _OURS,
    jobs_errors.LoginThrottledError: _OURS,
    jobs_errors.TooManyQueuedError: _OURS,
    jobs_errors.KeyInvalidError: _OURS,
    jobs_errors.FirstLinkInvalidError: _OURS,
    # Never recorded: who lost the lease can record nothing.
    jobs_errors.LeaseLostError: _OURS,
    jobs_errors.DatabaseUnavailableError: _Rule(
        is_retriable=True, sentence="The database could not be used for a while."
    ),
    jobs_errors.BrokerUnavailableError: _Rule(
        is_retriable=True, sentence="The broker could not be used for a while."
    ),
    jobs_errors.StorageError: _Rule(
        is_retriable=False, sentence="The object store refused the job's objects."
    ),
    jobs_errors.StorageUnavailableError: _STORE,
    jobs_errors.StorageFullError: _Rule(
        is_retriable=True, sentence="The object store or the worker's disk is full."
    ),
    # A worker with wrong credentials must not use up every job at its first attempt.
    jobs_errors.StorageDeniedError: _Rule(
        is_retriable=True, sentence="The worker may not read the input or write the result."
    ),
    jobs_errors.ObjectNotFoundError: _FINAL,
    jobs_errors.PreconditionFailedError: _FINAL,
    jobs_errors.NotImplementedByStoreError: _FINAL,
    jobs_errors.ObjectDamagedError: _FINAL,
    jobs_errors.LinkInvalidError: _OURS,
}

# By code and not by class, because importing the engine's classes would load torch.
_ENGINE = {
    "engine_error": _OURS,
    "weights_invalid": _WORKER,
    "geometry_invalid": _FINAL,
    "attention_unavailable": _WORKER,
    "device_unavailable": _WORKER,
    "stream_closed": _OURS,
}

_INTERNAL = Failure(Reason("internal_error", _OURS.sentence or ""), is_retriable=True)
_GPU_BROKEN = Failure(
    Reason("gpu_failed", "The GPU stopped answering properly."),
    is_retriable=True,
    is_process_broken=True,
)


def failure_of(error: Exception) -> Failure:
    """Look up what an exception means."""
    if is_out_of_memory(error):
        return Failure(
            Reason(
                "out_of_memory",
                "The worker's memory is not enough for this output, in tiles either; choose a"
                " smaller scale or size.",
            ),
            is_retriable=False,
        )
    if _is_gpu_broken(error):
        return _GPU_BROKEN
    rule = rule_of(type(error))
    if rule is None:
        return _INTERNAL
    code: str = getattr(error, "code", _INTERNAL.reason.code)
    return Failure(Reason(code, rule.sentence or str(error)), rule.is_retriable)


def rule_of(kind: type[Exception]) -> _Rule | None:
    """Find the row for a class of the three trees; None for other classes."""
    if issubclass(kind, MediaError):
        return _MEDIA.get(kind, _MEDIA[MediaError])
    if issubclass(kind, JobsError):
        return _JOBS.get(kind, _JOBS[JobsError])
    engine_errors = sys.modules.get("flashvsr_core.errors")
    if engine_errors is not None and issubclass(kind, engine_errors.EngineError):
        return _ENGINE.get(kind.code, _ENGINE["engine_error"])  # type: ignore[attr-defined]
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether the GPU's memory, or this machine's, was not enough."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, MemoryError)


def _is_gpu_broken(error: BaseException) -> bool:
    # After such an error every later call of the process fails too.
    torch = sys.modules.get("torch")
    return torch is not None and (
        isinstance(error, torch.AcceleratorError)
        or (isinstance(error, RuntimeError) and "CUDA error" in str(error))
    )
