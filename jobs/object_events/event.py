"""One thing that happened to one object."""

from dataclasses import dataclass
from typing import Literal

EventKind = Literal["created", "removed"]


@dataclass(frozen=True)
class ObjectEvent:
    """What a store said, its key decoded. A hint: what the object is now, only the store knows."""

    kind: EventKind
    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    """Without quotes."""
    size_bytes: int | None = None
    sequencer: str | None = None
    """Orders the events of one key; see `order_of`."""
