"""A batch as everybody sees it: many objects, each of them to be enlarged once, and a report.

This module does not know where any of it is stored.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from jobs.api_key import Actor, KeyLimits
from jobs.errors import RequestInvalidError
from jobs.job import Reason
from jobs.placement import Output, Place
from jobs.request import JobRequest

BatchState = Literal[
    "reading", "running", "planned", "reporting", "completed", "canceled", "failed"
]
"""Lines are read; jobs run; a dry run is over; the report is written; and three ends."""

LineState = Literal["waiting", "active", "succeeded", "failed", "skipped", "canceled", "refused"]
"""No job yet; a job waits or runs; how it ended; and what can be no job, or is one already."""

ManifestForm = Literal["csv", "jsonl"]

BATCH_STATES: tuple[BatchState, ...] = get_args(BatchState)
LINE_STATES: tuple[LineState, ...] = get_args(LineState)
BATCH_ENDED: Final[frozenset[BatchState]] = frozenset(
    {"planned", "completed", "canceled", "failed"}
)
LINE_ENDED: Final[frozenset[LineState]] = frozenset(
    {"succeeded", "failed", "skipped", "canceled", "refused"}
)


@dataclass(frozen=True)
class BatchRequest:
    """Which objects, what to make of them, and where to put it.

    Raises:
        RequestInvalidError: there is not exactly one source, or an address is none.

    """

    prefix: str | None = None
    """`s3://bucket/beginning-of-keys`."""
    objects: tuple[str, ...] | None = None
    """Addresses."""
    upload_id: str | None = None
    """An uploaded manifest."""
    manifest_url: str | None = None
    """A manifest in somebody's bucket."""
    manifest_form: ManifestForm | None = None
    """None goes by the first line."""
    suffixes: tuple[str, ...] = ()
    """Endings, in lower case, of the keys under the prefix; none is every object."""
    choices: Mapping[str, Any] = field(default_factory=dict)
    """What `JobRequest` takes, without the input and the output."""
    output: Output | None = None
    """None keeps the results in our own store."""
    report_url: str | None = None
    """A folder, `s3://bucket/folder/`; None is the folder of the first output."""
    webhook_url: str | None = None
    name: str | None = None
    is_dry_run: bool = False

    def __post_init__(self) -> None:
        sources = (self.prefix, self.objects, self.upload_id, self.manifest_url)
        if sum(source is not None for source in sources) != 1:
            raise RequestInvalidError(
                "Give exactly one source: a prefix, objects, an uploaded manifest, or the address"
                " of a manifest."
            )
        if self.suffixes and self.prefix is None:
            raise RequestInvalidError("Only a prefix has suffixes; a manifest names its objects.")
        if self.prefix is not None:
            split_prefix(self.prefix)
        if self.manifest_url is not None:
            Place.of_url(self.manifest_url)
        if self.report_url is not None and split_prefix(self.report_url)[1][-1:] not in ("", "/"):
            raise RequestInvalidError("The report's address is a folder: it must end with a slash.")
        if self.webhook_url is not None and urlsplit(self.webhook_url).scheme not in (
            "http",
            "https",
        ):
            raise RequestInvalidError("A webhook's address must begin with https:// or http://.")
        # Checks the choices against one another, as those of a single job.
        JobRequest(input_url="s3://bucket/key", **self.choices)

    @property
    def base(self) -> str:
        """What `{path}` in a template leaves out."""
        return "" if self.prefix is None else split_prefix(self.prefix)[1]

    def as_json(self) -> dict[str, Any]:
        """Give what differs from nothing as plain JSON types."""
        plain = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        return {name: [*v] if isinstance(v, tuple) else v for name, v in plain.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "BatchRequest":
        """Read what `as_json` gave, also that of another release."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        if "objects" in values:
            values["objects"] = tuple(values["objects"])
        if "output" in values:
            values["output"] = Output.from_json(values["output"])
        return cls(**values | {"suffixes": tuple(values.get("suffixes", ()))})


@dataclass(frozen=True)
class BatchLine:
    """One object of a batch, or one line of its manifest that names none."""

    number: int
    """Of the line, or of the object in the listing; counts from 1."""
    state: LineState = "waiting"
    input_url: str | None = None
    input_version: str | None = None
    input_etag: str | None = None
    size_bytes: int | None = None
    choices: Mapping[str, Any] | None = None
    """Parameters of this line alone; `on_collision` may be among them."""
    output_url: str | None = None
    job_id: str | None = None
    reason: Reason | None = None
    result: Mapping[str, Any] | None = None
    """url, size_bytes, sha256, frames, seconds."""
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Batch:
    """One batch; a copy of its row at one moment."""

    id: str
    tenant: str
    key_id: str | None
    request: BatchRequest
    limits: KeyLimits
    state: BatchState
    version: int
    round: int
    """Counts from 1; a retry begins another round, which ends with a report of its own."""
    position: Mapping[str, Any] | None
    lines_read: int
    """How many lines have come out of the source so far, those that can be no job too."""
    estimate: Mapping[str, Any] | None
    reports: Mapping[str, str] | None
    reason: Reason | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    """When the first job was queued."""
    ended_at: datetime | None
    is_paused: bool
    is_cancel_requested: bool
    retry_states: tuple[LineState, ...]
    """Lines of these states are about to wait again."""

    @property
    def actor(self) -> Actor:
        """Who submits its jobs."""
        return Actor(self.id, self.tenant, self.key_id, self.limits)

    def request_of(self, line: BatchLine) -> JobRequest:
        """Put together what a line asks for.

        Raises:
            RequestInvalidError: the choices exclude one another.

        """
        assert line.input_url is not None
        output = self.request.output
        rule = output.on_collision if output and line.output_url else None
        choices: dict[str, Any] = {"on_collision": rule}
        choices |= {"name": Place.of_url(line.input_url).name[-255:] or None}
        return JobRequest(
            input_url=line.input_url,
            input_version=line.input_version,
            input_etag=line.input_etag,
            output_url=line.output_url,
            **choices | dict(self.request.choices) | dict(line.choices or {}),
        )


@dataclass(frozen=True)
class LineCounts:
    """How many lines of a batch are in which state."""

    waiting: int = 0
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    canceled: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(asdict(self).values())

    @property
    def ended(self) -> int:
        """Those of which nothing more will come."""
        return self.total - self.waiting - self.active


def split_prefix(url: str) -> tuple[str, str]:
    """Split `s3://bucket/beginning` into the bucket and the beginning of keys, which may be empty.

    Raises:
        RequestInvalidError: it is no such address.

    """
    bucket, slash, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket or not slash or len(prefix.encode()) > 1024:
        raise RequestInvalidError(
            f"{url[:200]!r} is no prefix; it must look like s3://bucket/ or s3://bucket/folder/."
        )
    return bucket, prefix
