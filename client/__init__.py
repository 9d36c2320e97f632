"""A typed client of FlashVSR Service; needs nothing of the service but its address."""

from client.batch_models import Batch, BatchLine
from client.client import FlashVSRClient
from client.errors import (
    AccessError,
    ClientError,
    ConflictError,
    DownloadDamagedError,
    NotFoundError,
    ProblemError,
    RateLimitedError,
    RequestRefusedError,
    ServiceError,
    UnreachableError,
    WaitTimeoutError,
)
from client.models import Attempt, Job, Progress, Reason, Result, Upload
from client.watch_models import S3Event, Watch

__all__ = [
    "AccessError",
    "Attempt",
    "Batch",
    "BatchLine",
    "ClientError",
    "ConflictError",
    "DownloadDamagedError",
    "FlashVSRClient",
    "Job",
    "NotFoundError",
    "ProblemError",
    "Progress",
    "RateLimitedError",
    "Reason",
    "RequestRefusedError",
    "Result",
    "S3Event",
    "ServiceError",
    "UnreachableError",
    "Upload",
    "WaitTimeoutError",
    "Watch",
]
