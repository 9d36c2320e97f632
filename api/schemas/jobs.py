"""Jobs over the wire."""

import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.schemas.texts import Name, QueueName, S3Url, UploadId, Url, VersionId
from jobs.job import ENDED, RETRIABLE, Attempt, Job, JobResult, Reason, State
from jobs.placement import Collision
from jobs.request import DEFAULT_QUEUE, PRIORITIES, JobRequest, Pipeline
from media.encoding import Codec, Encoding

Color = Literal["auto", "adain", "wavelet", "source", "none"]
Container = Literal["mp4", "mov", "mkv", "webm"]
"""The endings that `media` writes; a test compares them, and the colours with the engine's."""


def reachable(url: str) -> str:
    """Take addresses of HTTP only."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as https://example.com/hook")
    return url


def plain_key(url: str) -> str:
    """Take keys that all servers and clients read alike."""
    if re.search(r"/\.{1,2}(/|$)", url):
        raise ValueError("must not have . or .. as a step")
    return url


class NewJob(BaseModel):
    """What to make of which video."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"upload_id": "upl_01k9x3v7zq4c8m2n5t6r0wabcd", "scale": 4},
                {
                    "input_url": "s3://films/archive/reel-7.mkv",
                    "pipeline": "full",
                    "width_px": 3840,
                    "height_px": 2160,
                    "codec": "hevc",
                    "bit_depth": 10,
                    "webhook_url": "https://example.com/hook",
                },
            ]
        },
    )

    upload_id: UploadId | None = Field(default=None, description="A completed upload.")
    input_url: Annotated[S3Url, AfterValidator(plain_key)] | None = Field(
        default=None, description="`s3://bucket/key` that the API key may read, for no upload."
    )
    input_version: VersionId | None = Field(
        default=None, description="Of the object behind `input_url`."
    )
    output_url: Annotated[S3Url, AfterValidator(plain_key)] | None = Field(
        default=None,
        description="`s3://bucket/key` that the API key may write; null keeps the result here.",
    )
    on_collision: Collision | None = Field(
        default=None, description="Where something lies there; null fails."
    )
    pipeline: Pipeline = Field(default="tiny", description="`full` is slower and finer.")
    scale: Literal[2, 3, 4] | None = Field(
        default=None, description="Output over input size; 4 where no size is given."
    )
    width_px: int | None = Field(default=None, ge=16, le=16_384)
    height_px: int | None = Field(default=None, ge=16, le=16_384)
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="Same seed, same result.")
    color: Color = Field(
        default="auto",
        description="How colours are matched to the source; `auto` suits the weights.",
    )
    sparse_ratio: float | None = Field(default=None, ge=0.5, le=8, allow_inf_nan=False)
    local_range: int | None = Field(default=None, ge=1, le=63)
    tile_px: int | None = Field(default=None, ge=128, le=16_384, multiple_of=128)
    codec: Codec = "h264"
    bit_depth: Literal[8, 10] | None = Field(default=None, description="Null is as the source.")
    crf: int | None = Field(default=None, ge=0, le=63, description="Lower is better.")
    container: Container = "mp4"
    queue: QueueName = Field(default=DEFAULT_QUEUE, description="A GPU class.")
    priority: int = Field(
        default=0, ge=PRIORITIES[0], le=PRIORITIES[-1], description="Higher runs sooner."
    )
    webhook_url: Annotated[Url, AfterValidator(reachable)] | None = Field(
        default=None, description="Is told how the job ended, signed (standardwebhooks.com)."
    )
    name: Name | None = Field(default=None, description="For people; the file's where not given.")

    def to_request(self) -> JobRequest:
        """Hold the choices against one another.

        Raises:
            RequestInvalidError: they exclude one another.
            EncodingNotSupportedError: the encoder has no such setting.

        """
        Encoding(codec=self.codec, bit_depth=self.bit_depth or 8, crf=self.crf)
        return JobRequest(**self.model_dump())


class ReasonOut(BaseModel):
    """Why an attempt ended without a result."""

    code: str
    message: str

    @classmethod
    def of(cls, reason: Reason | None) -> "ReasonOut | None":
        """Copy a reason."""
        return None if reason is None else cls(code=reason.code, message=reason.message)


class ProgressOut(BaseModel):
    """How far the current attempt is."""

    stage: str = Field(examples=["upscaling"])
    percent: float
    frames_done: int
    frames_total: int | None
    frames_per_s: float | None
    seconds_left: float | None


class ResultOut(BaseModel):
    """What the job made; its files are behind the job's links."""

    size_bytes: int
    sha256: str
    url: str | None = Field(description="Where it lies, if in the caller's own bucket.")
    has_poster: bool
    has_preview: bool
    facts: dict[str, Any] = Field(description="The output video as its probe describes it.")

    @classmethod
    def of(cls, result: JobResult | None) -> "ResultOut | None":
        """Copy a result, without where it lies."""
        if result is None:
            return None
        return cls(
            size_bytes=result.size_bytes,
            sha256=result.sha256,
            url=result.url,
            has_poster=result.poster_key is not None,
            has_preview=result.preview_key is not None,
            facts=dict(result.facts),
        )


class AttemptOut(BaseModel):
    """One worker's try at the job."""

    number: int
    outcome: str
    started_at: datetime
    ended_at: datetime | None
    error: ReasonOut | None
    stage_seconds: dict[str, float]

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptOut":
        """Copy an attempt."""
        return cls(
            number=attempt.number,
            outcome=attempt.outcome,
            started_at=attempt.started_at,
            ended_at=attempt.ended_at,
            error=ReasonOut.of(attempt.reason),
            stage_seconds=dict(attempt.stage_seconds),
        )


class JobOut(BaseModel):
    """A job at one moment."""

    id: str = Field(examples=["job_01k9x3v7zq4c8m2n5t6r0wabcd"])
    state: State
    version: int = Field(description="Grows with every change.")
    is_cancel_requested: bool
    request: dict[str, Any] = Field(description="As it was submitted, with its defaults.")
    attempt: int = Field(description="The latest one; 0 before the first.")
    attempts_used: int
    max_attempts: int
    queue_position: int | None = Field(
        default=None, description="1 is next; only where one waiting job is read."
    )
    progress: ProgressOut | None
    error: ReasonOut | None = Field(description="Why the latest attempt failed.")
    input_facts: dict[str, Any] | None = Field(description="The input video.")
    result: ResultOut | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None = Field(description="When the result will be removed.")
    links: dict[str, str] = Field(
        description="What can be done next; relative to the service.",
        examples=[{"self": "/v1/jobs/job_01k9x3v7zq4c8m2n5t6r0wabcd"}],
    )

    @classmethod
    def of(cls, job: Job, queue_position: int | None = None) -> "JobOut":
        """Copy a job."""
        progress = job.progress
        return cls(
            id=job.id,
            state=job.state,
            version=job.version,
            is_cancel_requested=job.is_cancel_requested,
            request=job.request.as_json(),
            attempt=job.attempt,
            attempts_used=job.attempts_used,
            max_attempts=job.max_attempts,
            queue_position=queue_position,
            progress=None if progress is None else ProgressOut(**asdict(progress)),
            error=ReasonOut.of(job.reason),
            input_facts=None if job.input_facts is None else dict(job.input_facts),
            result=ResultOut.of(job.result),
            created_at=job.created_at,
            updated_at=job.updated_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            expires_at=job.expires_at,
            links=_links(job),
        )


def _links(job: Job) -> dict[str, str]:
    here = f"/v1/jobs/{job.id}"
    links = {"self": here, "events": f"{here}/events", "attempts": f"{here}/attempts"}
    if job.state not in ENDED:
        links["cancel"] = f"{here}/cancel"
    if job.state in RETRIABLE:
        links["retry"] = f"{here}/retry"
    if job.state == "succeeded" and job.result is not None:
        links["result"] = f"{here}/result"
        if job.result.poster_key is not None:
            links["poster"] = f"{here}/poster"
        if job.result.preview_key is not None:
            links["preview"] = f"{here}/preview"
    return links


class JobPageOut(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobOut]
    next_cursor: str | None = Field(description="Of the next page; null at the end.")
