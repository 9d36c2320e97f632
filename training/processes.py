"""The processes of one run: torchrun starts them, or there is one."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import TrainingError


@dataclass(frozen=True)
class Processes:
    """This process among all of them."""

    rank: int
    count: int
    device: torch.device

    @classmethod
    def join(cls, device: str = "auto") -> Self:
        """Join the group that torchrun's environment names; alone without it."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        rank = int(os.environ.get("RANK", "0"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        is_cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        place = torch.device("cuda", local) if is_cuda else torch.device("cpu")
        if is_cuda:
            torch.cuda.set_device(place)
        if count > 1:
            dist.init_process_group("nccl" if is_cuda else "gloo", timeout=timedelta(minutes=10))
        return cls(rank, count, place)

    def leave(self) -> None:
        """Leave the group."""
        if self.count > 1:
            dist.destroy_process_group()

    def share(self, slots: int) -> list[int]:
        """Return the slots of a step that are this process's.

        Raises:
            TrainingError: they do not divide evenly.

        """
        if slots % self.count:
            raise TrainingError(
                f"{slots} slots cannot be shared by {self.count} processes; set data.slots to a"
                " multiple of the number of processes."
            )
        return list(range(self.rank, slots, self.count))

    def wrap(self, module: nn.Module) -> nn.Module:
        """Let the gradients of a module be averaged over all processes."""
        if self.count == 1:
            return module
        return DistributedDataParallel(module, broadcast_buffers=False)

    def hold_gradients(self, module: nn.Module, *, is_last: bool) -> AbstractContextManager[None]:
        """Wait with the averaging until the last of several backward passes."""
        if isinstance(module, DistributedDataParallel) and not is_last:
            return module.no_sync()
        return nullcontext()

    def agree(self, value: float) -> float:
        """Return the first process's value in every process."""
        if self.count == 1:
            return value
        agreed = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(agreed, 0)
        return float(agreed)

    def average(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean over all processes of one tensor."""
        if self.count == 1:
            return value
        summed = value.clone()
        dist.all_reduce(summed)
        return summed / self.count

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            dist.barrier()
