"""A typed client of FlashVSR Service; needs nothing of the service but its address."""

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

__all__ = [
    "AccessError",
    "Attempt",
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
    "ServiceError",
    "UnreachableError",
    "Upload",
    "WaitTimeoutError",
]
