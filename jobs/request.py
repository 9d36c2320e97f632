"""What a person asks for: one input, one output, and the choices between them."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from jobs.errors import RequestInvalidError
from jobs.placement import COLLISIONS, Collision, Place

Pipeline = Literal["tiny", "full"]

DEFAULT_QUEUE = "a100"
PRIORITIES = range(-100, 101)

_QUEUE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class JobRequest:
    """The parameters of a job, checked as far as they can be without looking at the video.

    Names of codecs, colour fixes and containers are checked by who knows them: the API against
    `media`, the worker against the engine.

    Raises:
        RequestInvalidError: the choices exclude one another or lie outside their range.

    """

    upload_id: str | None = None
    input_url: str | None = None
    """`s3://bucket/key`; the caller has checked that the API key allows it."""
    input_version: str | None = None
    """The object's version, where just that one is meant."""
    input_etag: str | None = None
    """Which the object must still have, without quotes; None takes it as it is found."""
    output_url: str | None = None
    """`s3://bucket/key` in somebody's own bucket; None keeps the result in ours."""
    on_collision: Collision | None = None
    """Where something lies there; fail where it is None."""
    pipeline: Pipeline = "tiny"
    scale: float | None = None
    """Output over input size; 4 where neither it nor a size is given."""
    width_px: int | None = None
    height_px: int | None = None
    seed: int = 0
    color: str = "auto"
    sparse_ratio: float | None = None
    local_range: int | None = None
    tile_px: int | None = None
    codec: str = "h264"
    bit_depth: int | None = None
    """None keeps the input's."""
    crf: int | None = None
    container: str = "mp4"
    queue: str = DEFAULT_QUEUE
    """A GPU class."""
    priority: int = 0
    """Higher runs sooner."""
    webhook_url: str | None = None
    name: str | None = None
    """For people."""

    def __post_init__(self) -> None:
        if (self.upload_id is None) == (self.input_url is None):
            raise RequestInvalidError("Give exactly one input: an upload's id or an s3:// address.")
        if self.input_url is not None and not re.fullmatch(r"s3://[^/]+/.+", self.input_url):
            raise RequestInvalidError(
                f"{self.input_url!r} is no input address; it must look like s3://bucket/key."
            )
        if self.input_url is None and (self.input_version or self.input_etag):
            raise RequestInvalidError("Only an s3:// address has a version or an ETag.")
        if self.output_url is not None and Place.of_url(self.output_url).url == self.input_url:
            raise RequestInvalidError(f"The output {self.output_url} is the input itself.")
        if self.output_url is None and self.on_collision is not None:
            raise RequestInvalidError("Give an output address for the collision rule.")
        if self.on_collision not in (None, *COLLISIONS):
            raise RequestInvalidError(
                f"There is no rule {self.on_collision!r}; take one of {', '.join(COLLISIONS)}."
            )
        if self.pipeline not in ("tiny", "full"):
            raise RequestInvalidError(f"There is no pipeline {self.pipeline!r}; take tiny or full.")
        if self.scale is not None and (self.width_px or self.height_px):
            raise RequestInvalidError("Give a scale or an output size, not both.")
        if (self.width_px is None) != (self.height_px is None):
            raise RequestInvalidError("Give both width and height of the output.")
        for name in ("scale", "width_px", "height_px"):
            number = getattr(self, name)
            if number is not None and number <= 0:
                raise RequestInvalidError(f"{name} is {number}; it must be above 0.")
        if self.priority not in PRIORITIES:
            raise RequestInvalidError(
                f"The priority is {self.priority}; it must be between {PRIORITIES[0]} and"
                f" {PRIORITIES[-1]}."
            )
        if not _QUEUE_NAME.fullmatch(self.queue):
            raise RequestInvalidError(
                f"{self.queue!r} is no name of a queue; use lower-case letters, digits, - and _."
            )
        if self.webhook_url is not None and urlsplit(self.webhook_url).scheme not in (
            "http",
            "https",
        ):
            raise RequestInvalidError("A webhook's address must begin with https:// or http://.")

    def as_json(self) -> dict[str, Any]:
        """Give what differs from nothing as plain JSON types."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "JobRequest":
        """Read what `as_json` gave, also that of another release: unknown fields are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})
