"""Kinds of text that are safe to store and to send back.

Control characters are refused: no name needs them, and Postgres takes no NUL.
"""

from typing import Annotated

from pydantic import StringConstraints

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"

Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_PRINTABLE)]
Url = Annotated[
    str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[^\x00-\x20\x7f]*$")
]
S3Url = Annotated[
    str, StringConstraints(max_length=1200, pattern=r"^s3://[^/\x00-\x1f\x7f]+/[^\x00-\x1f\x7f]+$")
]
VersionId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,1024}$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MediaType = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9][\w.+-]*/[A-Za-z0-9][\w.+-]*$")
]
JobId = Annotated[str, StringConstraints(pattern=r"^job_[0-9a-z]{26}$")]
UploadId = Annotated[str, StringConstraints(pattern=r"^upl_[0-9a-z]{26}$")]
BatchId = Annotated[str, StringConstraints(pattern=r"^bat_[0-9a-z]{26}$")]
WatchId = Annotated[str, StringConstraints(pattern=r"^wat_[0-9a-z]{26}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^key_[0-9a-z]{26}$")]
