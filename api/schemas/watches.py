"""Watched prefixes and their events over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.schemas.batches import S3Prefix, Suffix, Template
from api.schemas.jobs import ReasonOut, reachable
from api.schemas.texts import Name, Url
from jobs.choices import Choices
from jobs.placement import FIELDS, Collision, Output
from jobs.watch import (
    WATCH_OUTPUT,
    EventSource,
    EventState,
    Existing,
    S3Event,
    Watch,
    WatchCounts,
)
from media.encoding import Encoding

_FIELDS = ", ".join(f"`{{{name}}}`" for name in FIELDS if name not in ("batch", "line"))


class WatchOutput(BaseModel):
    """Where results go."""

    model_config = ConfigDict(strict=True, extra="forbid")

    template: Template = Field(
        default=WATCH_OUTPUT.template,
        description=f"A key in the watched bucket, or `s3://bucket/key`; may name {_FIELDS}. It"
        " must not lead under a watched prefix.",
        examples=["enlarged/{path}/{stem}_x{scale}.{container}"],
    )
    on_collision: Collision = Field(
        default=WATCH_OUTPUT.on_collision,
        description="Where something lies there: end as skipped, fail, or take a free name.",
    )


class NewWatch(BaseModel):
    """A prefix to be watched."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "prefix": "s3://films/inbox/",
                    "suffixes": [".mp4", ".mov"],
                    "parameters": {"scale": 4, "codec": "hevc"},
                    "output": {
                        "template": "enlarged/{path}/{stem}_x{scale}.{container}",
                        "on_collision": "version",
                    },
                }
            ]
        },
    )

    prefix: S3Prefix = Field(description="Objects whose address begins so become jobs.")
    suffixes: list[Suffix] = Field(
        default=[], max_length=50, description="Endings of keys, in any case; none is all."
    )
    parameters: Choices = Field(default=Choices(), description="Of every job.")
    output: WatchOutput = Field(default=WatchOutput())
    existing: Existing = Field(
        default="run", description="What becomes of objects that lie there already."
    )
    webhook_url: Annotated[Url, AfterValidator(reachable)] | None = Field(
        default=None, description="Is told how each job ended."
    )
    name: Name | None = Field(default=None, description="For people.")

    def chosen(self) -> dict[str, Any]:
        """Give the preset.

        Raises:
            EncodingNotSupportedError: the encoder has no such setting.

        """
        chosen = self.parameters.chosen()
        Encoding(
            codec=chosen.get("codec", "h264"),
            bit_depth=chosen.get("bit_depth", 8),
            crf=chosen.get("crf"),
        )
        if self.webhook_url is not None:
            chosen["webhook_url"] = self.webhook_url
        return chosen

    def to_output(self) -> Output:
        """Check the template.

        Raises:
            RequestInvalidError: it names what there is not.

        """
        return Output(self.output.template, self.output.on_collision)


class CountsOut(BaseModel):
    """How many objects of a watch are where."""

    submitted: int = Field(description="A job was made of them.")
    refused: int = Field(description="No job can be made of them; their events say why.")
    ignored: int = Field(description="They lay there before.")
    gone: int = Field(description="They were removed.")
    jobs: dict[str, int] = Field(description="By state; those that are forgotten are absent.")


class S3EventOut(BaseModel):
    """Something that a store told, or the lister found."""

    id: str
    kind: str = Field(description="created or removed.")
    key: str
    version_id: str | None
    etag: str | None
    size_bytes: int | None
    sequencer: str | None
    source: EventSource
    state: EventState = Field(
        description="submitted: became a job. known: that content has its job. stale: something"
        " newer was told before. refused, ignored, gone: as with the watch's counts."
    )
    error: ReasonOut | None
    job_id: str | None
    received: int = Field(description="How often it came.")
    received_at: datetime = Field(description="When it came first.")

    @classmethod
    def of(cls, event: S3Event) -> "S3EventOut":
        """Copy an event."""
        return cls(
            id=event.id,
            kind=event.kind,
            key=event.key,
            version_id=event.version_id,
            etag=event.etag,
            size_bytes=event.size_bytes,
            sequencer=event.sequencer,
            source=event.source,
            state=event.state,
            error=ReasonOut.of(event.reason),
            job_id=event.job_id,
            received=event.received,
            received_at=event.received_at,
        )


class WatchOut(BaseModel):
    """A watched prefix at one moment."""

    id: str = Field(examples=["wat_01k9x3v7zq4c8m2n5t6r0wabcd"])
    name: str | None
    prefix: str
    suffixes: list[str]
    parameters: dict[str, Any]
    output: WatchOutput
    existing: Existing
    is_paused: bool
    created_at: datetime
    updated_at: datetime
    last_event: S3EventOut | None = Field(description="The newest, of whichever source.")
    last_error: str | None = Field(description="What keeps it from working, if anything does.")
    last_error_at: datetime | None
    listed_at: datetime | None = Field(description="When its prefix was last listed to the end.")
    counts: CountsOut | None = Field(default=None, description="Only where one watch is read.")
    links: dict[str, str]

    @classmethod
    def of(
        cls, watch: Watch, last_event: S3Event | None = None, counts: WatchCounts | None = None
    ) -> "WatchOut":
        """Copy a watch."""
        return cls(**_fields(watch, last_event, counts))


class NewWatchOut(WatchOut):
    """A watch at its creation: its secret is shown this once."""

    secret: str = Field(description="For stores that post events to `/v1/events/s3`.")

    @classmethod
    def of_new(cls, watch: Watch, secret: str) -> "NewWatchOut":
        """Copy a new watch with its secret."""
        return cls(**_fields(watch, None, None), secret=secret)


class WatchPageOut(BaseModel):
    """Watches, newest first."""

    watches: list[WatchOut]
    next_cursor: str | None = Field(description="Of the next page; null at the end.")


class S3EventPageOut(BaseModel):
    """Events, newest first."""

    events: list[S3EventOut]
    next_cursor: str | None = Field(description="Of the next page; null at the end.")


class EventsTakenOut(BaseModel):
    """What came of events that were posted."""

    events: int = Field(description="That told of an object.")
    submitted: int = Field(description="Jobs that were made of them.")


def _fields(
    watch: Watch, last_event: S3Event | None, counts: WatchCounts | None
) -> Mapping[str, Any]:
    here = f"/v1/watches/{watch.id}"
    turn = "resume" if watch.paused_at else "pause"
    return {
        "id": watch.id,
        "name": watch.name,
        "prefix": watch.url,
        "suffixes": list(watch.suffixes),
        "parameters": dict(watch.choices),
        "output": WatchOutput(**watch.output.as_json()),
        "existing": watch.existing,
        "is_paused": watch.paused_at is not None,
        "created_at": watch.created_at,
        "updated_at": watch.updated_at,
        "last_event": None if last_event is None else S3EventOut.of(last_event),
        "last_error": watch.last_error,
        "last_error_at": watch.last_error_at,
        "listed_at": watch.listed_at,
        "counts": None if counts is None else CountsOut(**vars(counts)),
        "links": {
            "self": here,
            "events": f"{here}/events",
            "list": f"{here}/list",
            turn: f"{here}/{turn}",
        },
    }
