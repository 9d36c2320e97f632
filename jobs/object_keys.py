"""Where objects lie: results under their job and attempt, uploads under their id."""

import re
from dataclasses import dataclass

RESULTS = "results/"
UPLOADS = "uploads/"

_RESULT = re.compile(r"results/([^/]+)/([0-9]+)/.+")
_UPLOAD = re.compile(r"uploads/([^/]+)/.+")


@dataclass(frozen=True)
class AttemptId:
    """The owner of a result."""

    job_id: str
    number: int


@dataclass(frozen=True)
class UploadId:
    """The owner of an upload."""

    id: str


def job_prefix(job_id: str) -> str:
    """Begin the keys of everything that a job ever wrote."""
    return f"{RESULTS}{job_id}/"


def attempt_prefix(job_id: str, number: int) -> str:
    """Begin the keys of what one attempt writes; no other attempt ever writes there."""
    return f"{RESULTS}{job_id}/{number}/"


def upload_prefix(upload_id: str) -> str:
    """Begin the keys of an upload."""
    return f"{UPLOADS}{upload_id}/"


def upload_key(upload_id: str) -> str:
    """Name the object that an upload becomes."""
    return f"{upload_prefix(upload_id)}source"


def owner_of(key: str) -> AttemptId | UploadId | None:
    """Tell whose object a key is; None where it is not one of ours."""
    if found := _RESULT.fullmatch(key):
        return AttemptId(found[1], int(found[2]))
    if found := _UPLOAD.fullmatch(key):
        return UploadId(found[1])
    return None
