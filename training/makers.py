"""Processes that make pairs of clips, where one thread cannot keep a GPU busy.

Making a batch is thousands of small operations, each of which the processor must start.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.config import DataConfig
from training.data import CodecPool
from training.pairs import PackedPairs, open_clips

Levels = npt.NDArray[np.uint8]

_opened: dict[str, Any] = {}
"""In a maker: its training set, decoded once."""


class PairMakers:
    """A pool of processes with a decoded training set each; they live through all stages."""

    def __init__(self, packed: str, count: int, device: torch.device) -> None:
        """Begin `count` processes, which make clips on `device`."""
        # Neither a process that uses CUDA nor one with threads may be forked.
        self._pool = ProcessPoolExecutor(
            count,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_open,
            initargs=(packed, str(device)),
        )
        self.parallel = count

    def source(self, config: DataConfig, seed: int) -> "MadePairs":
        """Return the pairs that a stage asks for."""
        return MadePairs(self._pool, self.parallel, config, seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


class MadePairs:
    """`PackedPairs` made elsewhere."""

    def __init__(
        self, pool: ProcessPoolExecutor, parallel: int, config: DataConfig, seed: int
    ) -> None:
        self._pool, self._config, self._seed = pool, config, seed
        self.parallel = parallel

    def pairs(self, number: int, slot: int, *, scale: int, is_image: bool) -> tuple[Tensor, Tensor]:
        """Return one slot's pairs; see `PairSource`."""
        made = self._pool.submit(_make, self._config, self._seed, number, slot, scale, is_image)
        high, low = made.result()
        return torch.from_numpy(high), torch.from_numpy(low)


def _open(packed: str, device: str) -> None:
    torch.set_num_threads(1)
    where = torch.device(device)
    _opened.update(clips=open_clips(packed, where), codecs=CodecPool(), device=where)


def _make(
    config: DataConfig, seed: int, number: int, slot: int, scale: int, is_image: bool
) -> tuple[Levels, Levels]:
    source = PackedPairs(_opened["clips"], _opened["codecs"], config, seed, _opened["device"])
    high, low = source.pairs(number, slot, scale=scale, is_image=is_image)
    made = high.cpu().numpy(), low.cpu().numpy()
    # What each of many processes keeps for its next batch would fill the GPU.
    torch.cuda.empty_cache()
    return made
