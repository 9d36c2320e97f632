"""Pairs that are made once and drawn again and again."""

from collections.abc import Hashable
from concurrent.futures import Future
from threading import Lock

from torch import Tensor

from training.pairs import PairSource

Pair = tuple[Tensor, Tensor]


class PooledPairs:
    """Keeps in main memory what a source has made, for all stages that ask for the same pairs.

    Making clips costs a GPU about as much as learning from them does.
    """

    def __init__(self, source: PairSource) -> None:
        self._source = source
        self._made: dict[Hashable, Future[Pair]] = {}
        self._lock = Lock()

    @property
    def parallel(self) -> int:
        """As many calls as help the source."""
        return self._source.parallel

    def pairs(self, number: int, slot: int, *, scale: int, is_image: bool) -> Pair:
        """Return one slot's pairs, read only; see `PairSource`."""
        key = number, slot, scale, is_image
        with self._lock:
            is_new = key not in self._made
            kept = self._made.setdefault(key, Future())
        if is_new:
            self._make(kept, number, slot, scale=scale, is_image=is_image)
        return kept.result()

    def _make(
        self, kept: Future[Pair], number: int, slot: int, *, scale: int, is_image: bool
    ) -> None:
        try:
            high, low = self._source.pairs(number, slot, scale=scale, is_image=is_image)
        except BaseException as error:
            kept.set_exception(error)
            raise
        kept.set_result((high.cpu(), low.cpu()))
