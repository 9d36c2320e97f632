"""Finished frames on their way from the GPU to the host."""

import torch
from torch import Tensor


class Fetch:
    """A copy that was begun; the GPU goes on with the next chunk meanwhile."""

    def __init__(self, batch: Tensor) -> None:
        """Begin to copy a batch of frames to the host."""
        self._copied: torch.cuda.Event | None = None
        if batch.device.type == "cpu":
            self._frames = batch
            return
        # Page-locked: only then is the copy one that nobody has to wait for.
        self._frames = torch.empty(batch.shape, dtype=batch.dtype, pin_memory=True)
        self._frames.copy_(batch, non_blocking=True)
        self._copied = torch.cuda.Event()
        self._copied.record(torch.cuda.current_stream(batch.device))

    def wait(self) -> Tensor:
        """Return the frames on the host."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._frames
