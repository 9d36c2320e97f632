"""Batches over the wire."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.schemas.jobs import ReasonOut, plain_key, reachable
from api.schemas.texts import Name, S3Url, UploadId, Url
from jobs.batch import (
    BATCH_ENDED,
    Batch,
    BatchLine,
    BatchRequest,
    BatchState,
    LineCounts,
    LineState,
    ManifestForm,
)
from jobs.batch_report import row_of
from jobs.choices import Choices
from jobs.placement import FIELDS, Collision, Output
from media.encoding import Encoding

S3Prefix = Annotated[
    str, StringConstraints(max_length=1200, pattern=r"^s3://[^/\x00-\x1f\x7f]+/[^\x00-\x1f\x7f]*$")
]
Template = Annotated[
    str, StringConstraints(min_length=1, max_length=1500, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Suffix = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f/]*$")]


class OutputIn(BaseModel):
    """Where results go in the caller's own buckets."""

    model_config = ConfigDict(strict=True, extra="forbid")

    template: Template = Field(
        default=Output.template,
        description="A key in the input's bucket, or s3://bucket/key. Fields: "
        + "; ".join(f"`{{{name}}}` {what}" for name, what in FIELDS.items())
        + ".",
        examples=["{prefix}/{stem}_x4.mp4", "s3://results/{path}/{stem}.{container}"],
    )
    on_collision: Collision = Field(
        default="fail", description="Where something lies there: nothing is ever overwritten."
    )


class ManifestIn(BaseModel):
    """Objects, one a line: CSV as for S3 Batch Operations, or JSON with parameters."""

    model_config = ConfigDict(strict=True, extra="forbid")

    upload_id: UploadId | None = Field(default=None, description="A completed upload.")
    url: Annotated[S3Url, AfterValidator(plain_key)] | None = None
    form: ManifestForm | None = Field(default=None, description="Null goes by the first line.")


class NewBatch(BaseModel):
    """Which objects, what to make of them, and where to put it; exactly one source."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "prefix": "s3://films/archive/",
                    "suffixes": [".mkv", ".mp4"],
                    "parameters": {"scale": 4, "codec": "hevc"},
                    "output": {"template": "s3://films/enlarged/{path}/{stem}.mp4"},
                    "dry_run": True,
                },
                {
                    "manifest": {"url": "s3://films/manifests/reels.csv"},
                    "output": {"template": "{prefix}/{stem}_x4.mp4", "on_collision": "skip"},
                },
            ]
        },
    )

    prefix: S3Prefix | None = Field(default=None, description="All objects that begin so.")
    suffixes: list[Suffix] = Field(
        default=[], max_length=50, description="Only keys that end so, in any case of letters."
    )
    objects: list[S3Url] | None = Field(default=None, min_length=1, max_length=10_000)
    manifest: ManifestIn | None = None
    parameters: Choices = Field(default=Choices(), description="As for a single job.")
    output: OutputIn | None = Field(
        default=None, description="Null keeps the results here, as those of single jobs."
    )
    report_url: S3Prefix | None = Field(
        default=None, description="A folder; null is that of the first output."
    )
    webhook_url: Annotated[Url, AfterValidator(reachable)] | None = Field(
        default=None, description="Is told once, when the whole batch has ended."
    )
    name: Name | None = None
    dry_run: bool = Field(default=False, description="List and estimate; run nothing.")

    def to_request(self) -> BatchRequest:
        """Hold the choices against one another.

        Raises:
            RequestInvalidError: they exclude one another, or the template cannot be used.
            EncodingNotSupportedError: the encoder has no such setting.

        """
        chosen = self.parameters
        Encoding(codec=chosen.codec or "h264", bit_depth=chosen.bit_depth or 8, crf=chosen.crf)
        manifest = self.manifest or ManifestIn()
        output = None
        if self.output is not None:
            output = Output(self.output.template, self.output.on_collision)
        return BatchRequest(
            prefix=self.prefix,
            objects=None if self.objects is None else tuple(self.objects),
            upload_id=manifest.upload_id,
            manifest_url=manifest.url,
            manifest_form=manifest.form,
            suffixes=tuple(suffix.lower() for suffix in self.suffixes),
            choices=chosen.chosen(),
            output=output,
            report_url=self.report_url,
            webhook_url=self.webhook_url,
            name=self.name,
            is_dry_run=self.dry_run,
        )


class CountsOut(BaseModel):
    """Lines by state."""

    total: int = Field(description="Read so far; all of them once the state is not `reading`.")
    waiting: int
    active: int = Field(description="Their job waits or runs.")
    succeeded: int
    failed: int
    skipped: int = Field(description="Something lay at the output's address.")
    canceled: int
    refused: int = Field(description="Lines that can be no job; each has its reason.")

    @classmethod
    def of(cls, counts: LineCounts) -> Self:
        """Copy counts."""
        return cls(total=counts.total, **asdict(counts))


class BatchOut(BaseModel):
    """A batch at one moment."""

    id: str = Field(examples=["bat_01k9x3v7zq4c8m2n5t6r0wabcd"])
    name: str | None
    state: BatchState
    version: int = Field(description="Grows with every change of the batch itself.")
    round: int = Field(description="Counts from 1; each retry begins another one.")
    is_dry_run: bool
    is_paused: bool
    is_cancel_requested: bool
    request: dict[str, Any] = Field(description="As it was made, without a list of objects.")
    counts: CountsOut
    percent: float = Field(description="Of the lines that were read, how many have ended.")
    seconds_left: float | None = Field(description="At the pace so far; null while unknown.")
    estimate: dict[str, Any] | None = Field(
        description="Of a dry run: lines, input_bytes, frames, gpu_seconds, output_bytes, and the"
        " basis they rest on."
    )
    reports: dict[str, str] | None = Field(description="Where the report was written, by form.")
    error: ReasonOut | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    links: dict[str, str]

    @classmethod
    def of(cls, batch: Batch, counts: LineCounts, elapsed_s: float | None) -> Self:
        """Copy a batch.

        Args:
            batch: which.
            counts: of its lines.
            elapsed_s: since its first job was queued.

        """
        request = batch.request.as_json()
        request.pop("objects", None)
        return cls(
            id=batch.id,
            name=batch.request.name,
            state=batch.state,
            version=batch.version,
            round=batch.round,
            is_dry_run=batch.request.is_dry_run,
            is_paused=batch.is_paused,
            is_cancel_requested=batch.is_cancel_requested,
            request=request,
            counts=CountsOut.of(counts),
            percent=round(100 * counts.ended / counts.total, 1) if counts.total else 0.0,
            seconds_left=_seconds_left(batch, counts, elapsed_s),
            estimate=None if batch.estimate is None else dict(batch.estimate),
            reports=None if batch.reports is None else dict(batch.reports),
            error=ReasonOut.of(batch.reason),
            created_at=batch.created_at,
            updated_at=batch.updated_at,
            started_at=batch.started_at,
            ended_at=batch.ended_at,
            links=_links_of(batch),
        )


class BatchPageOut(BaseModel):
    """Batches, newest first."""

    batches: list[BatchOut]
    next_cursor: str | None


class LineOut(BaseModel):
    """One line of a batch, under the names that the report has."""

    line: int
    state: LineState
    input_url: str | None
    input_version: str | None
    input_bytes: int | None
    output_url: str | None
    output_bytes: int | None
    output_sha256: str | None
    frames: int | None
    seconds: float | None
    job_id: str | None
    error_code: str | None
    error_message: str | None
    ended_at: datetime | None

    @classmethod
    def of(cls, line: BatchLine) -> Self:
        """Copy a line."""
        return cls(**row_of(line))


class LinePageOut(BaseModel):
    """Lines in their order."""

    lines: list[LineOut]
    next_after: int | None = Field(description="For `after`; null where there are no more.")


ReportForm = Literal["csv", "json"]


def _seconds_left(batch: Batch, counts: LineCounts, elapsed_s: float | None) -> float | None:
    if batch.state in BATCH_ENDED:
        return 0.0
    done = counts.succeeded + counts.failed + counts.skipped
    if batch.state != "running" or batch.is_paused or not done or not elapsed_s:
        return None
    return round((counts.waiting + counts.active) * elapsed_s / done, 1)


def _links_of(batch: Batch) -> dict[str, str]:
    here = f"/v1/batches/{batch.id}"
    links = {"self": here, "lines": f"{here}/lines", "report": f"{here}/report"}
    if batch.state == "planned":
        links["start"] = f"{here}/start"
    elif batch.state in BATCH_ENDED:
        links["retry"] = f"{here}/retry"
    else:
        links["cancel"] = f"{here}/cancel"
        links["resume" if batch.is_paused else "pause"] = (
            f"{here}/{'resume' if batch.is_paused else 'pause'}"
        )
    return links
