"""What an object store must be able to do, whichever it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from jobs.errors import ObjectDamagedError

OnBytes = Callable[[int], None]
"""Called with the number of bytes just moved; what it raises ends the transfer and is passed on."""

MIB = 1 << 20
PART_BYTES = 16 * MIB
_PARTS_MAX = 10_000


@dataclass(frozen=True)
class Stored:
    """An object as it was written or read, hashed on the way by us and not by the store."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ObjectFacts:
    """An object as the store describes it."""

    key: str
    size_bytes: int
    modified_at: datetime
    """By the store's clock: to be shown, not compared."""


@dataclass(frozen=True)
class SignedRequest:
    """A request that whoever holds it may make until it expires."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Must be sent exactly so."""


class Storage(ABC):
    """Objects by key. Safe to share between threads.

    Every method raises `StorageUnavailableError` or `StorageFullError` where trying again later may
    help, and another `StorageError` where it will not.
    """

    @abstractmethod
    def put(
        self, key: str, path: Path, *, content_type: str, on_bytes: OnBytes | None = None
    ) -> Stored:
        """Write a file as an object, in parts; the object is there whole or not at all.

        Raises:
            ObjectDamagedError: the store ended up with another size than the file has.

        """

    @abstractmethod
    def get(
        self,
        key: str,
        path: Path,
        *,
        size_bytes: int | None = None,
        sha256: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Stored:
        """Read an object into a file, which appears whole or not at all.

        Raises:
            ObjectNotFoundError: there is no such object.
            ObjectDamagedError: it is not of the size or the sha256 that were given.

        """

    @abstractmethod
    def head(self, key: str) -> ObjectFacts | None:
        """Describe an object; None where there is none."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[ObjectFacts]:
        """Describe all objects whose key begins with a prefix, in the order of their keys."""

    @abstractmethod
    def list_unfinished(self, prefix: str) -> Iterator[str]:
        """Give the keys of multipart uploads that were neither finished nor aborted."""

    @abstractmethod
    def delete(self, prefix: str) -> int:
        """Remove all objects and unfinished uploads whose key begins with a prefix; count objects.

        Removing what is not there is no error.
        """

    @abstractmethod
    def sign_get(
        self,
        key: str,
        *,
        expires_s: float,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Make a link that downloads an object, under a name of its own where one is given."""

    @abstractmethod
    def sign_put(
        self, key: str, *, size_bytes: int, content_type: str, expires_s: float
    ) -> SignedRequest:
        """Allow one upload of exactly so many bytes in one piece."""

    @abstractmethod
    def start_multipart(self, key: str, *, content_type: str) -> str:
        """Begin an upload in parts; return its id."""

    @abstractmethod
    def sign_part(
        self, key: str, multipart_id: str, number: int, *, size_bytes: int, expires_s: float
    ) -> SignedRequest:
        """Allow the upload of one part of exactly so many bytes; numbers count from 1."""

    @abstractmethod
    def parts_arrived(self, key: str, multipart_id: str) -> Mapping[int, int]:
        """Tell which parts have come: their numbers, in order, and how many bytes each has.

        Raises:
            ObjectNotFoundError: the upload was finished or aborted.

        """

    @abstractmethod
    def finish_multipart(self, key: str, multipart_id: str) -> None:
        """Put the parts that have come together; the store knows them, the sender need not.

        Raises:
            ObjectNotFoundError: no part has come, or the upload was finished or aborted before.

        """

    @abstractmethod
    def abort_multipart(self, key: str, multipart_id: str) -> None:
        """Forget an upload in parts; one that does not exist is no error."""

    @abstractmethod
    def ping(self) -> None:
        """Ask the store for an answer."""


def part_size(size_bytes: int) -> int:
    """Return the size of all parts but the last: 16 MiB, or more where 10,000 would not do."""
    return max(PART_BYTES, -(-size_bytes // _PARTS_MAX // MIB) * MIB)


def check(stored: Stored, *, size_bytes: int | None, sha256: str | None) -> None:
    """Hold an object that was read against what is known about it.

    Raises:
        ObjectDamagedError: it differs.

    """
    if size_bytes is not None and stored.size_bytes != size_bytes:
        raise ObjectDamagedError(
            f"{stored.key} has {stored.size_bytes} bytes where {size_bytes} were recorded; upload"
            " it again."
        )
    if sha256 is not None and stored.sha256 != sha256:
        raise ObjectDamagedError(
            f"{stored.key} has another sha256 than was recorded; upload it again."
        )
