"""Uploads over the wire."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.texts import MediaType, Name, Sha256
from jobs.repository.uploads import Upload
from jobs.storage import SignedRequest


class NewUpload(BaseModel):
    """A file that is to be sent."""

    model_config = ConfigDict(strict=True, extra="forbid")

    filename: Name = Field(examples=["reel-7.mkv"], description="For people; never opened.")
    size_bytes: int = Field(ge=1, le=2**53 - 1, examples=[734_003_200])
    content_type: MediaType = "application/octet-stream"
    multipart: bool | None = Field(
        default=None, description="In parts; null leaves it to the size."
    )


class Completion(BaseModel):
    """What the object must be; its size is checked in any case."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sha256: Sha256 | None = None


class RequestOut(BaseModel):
    """A request that may be made without an API key until it expires."""

    method: str = Field(examples=["PUT"])
    url: str
    headers: dict[str, str] = Field(description="Must be sent exactly so.")

    @classmethod
    def of(cls, signed: SignedRequest) -> "RequestOut":
        """Copy a signed request."""
        return cls(method=signed.method, url=signed.url, headers=dict(signed.headers))


class UploadOut(BaseModel):
    """A file on its way, or here."""

    id: str = Field(examples=["upl_01k9x3v7zq4c8m2n5t6r0wabcd"])
    state: Literal["pending", "complete"]
    filename: str
    content_type: str
    size_bytes: int
    part_size_bytes: int | None = Field(description="Of all parts but the last.")
    part_count: int | None
    request: RequestOut | None = Field(
        default=None, description="Sends the whole file, where it comes in one piece."
    )
    parts_arrived: list[int] | None = Field(
        default=None, description="Numbers of the parts that have come; the others are missing."
    )
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime = Field(description="When it is removed, unless a job still needs it.")
    links: dict[str, str] = Field(examples=[{"self": "/v1/uploads/upl_01k9x3v7zq4c8m2n5t6r0wabcd"}])

    @classmethod
    def of(
        cls,
        upload: Upload,
        signed: SignedRequest | None = None,
        parts_arrived: list[int] | None = None,
    ) -> "UploadOut":
        """Copy an upload."""
        here = f"/v1/uploads/{upload.id}"
        links = {"self": here}
        if upload.state == "pending":
            links["complete"] = f"{here}/complete"
            if upload.multipart_id is not None:
                links["parts"] = f"{here}/parts"
        return cls(
            id=upload.id,
            state=upload.state,
            filename=upload.filename,
            content_type=upload.content_type,
            size_bytes=upload.size_bytes,
            part_size_bytes=upload.part_size_bytes,
            part_count=part_count(upload),
            request=None if signed is None else RequestOut.of(signed),
            parts_arrived=parts_arrived,
            created_at=upload.created_at,
            completed_at=upload.completed_at,
            expires_at=upload.expires_at,
            links=links,
        )


def part_count(upload: Upload) -> int | None:
    """Return how many parts an upload has; None where it comes in one piece."""
    if upload.part_size_bytes is None:
        return None
    return -(-upload.size_bytes // upload.part_size_bytes)


class PartOut(BaseModel):
    """How to send one part."""

    number: int = Field(description="From 1.")
    offset_bytes: int
    size_bytes: int
    request: RequestOut


class PartsOut(BaseModel):
    """Some of the parts, in order."""

    parts: list[PartOut]
    next_after: int | None = Field(description="Ask again with `after` of this; null at the end.")
