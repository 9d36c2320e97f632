"""Doing again what failed because something was away for a moment."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from jobs.errors import JobsError

T = TypeVar("T")

_FIRST_S = 0.2
_LONGEST_S = 5.0


def patiently(
    act: Callable[[], T],
    patience_s: float,
    wait: Callable[[float], object] = time.sleep,
    also: tuple[type[JobsError], ...] = (),
) -> T:
    """Call until it works, for so many seconds at most.

    Args:
        act: called again after a temporary error; its last error is raised in the end.
        patience_s: from now on.
        wait: waits between two calls; what it raises ends the waiting.
        also: errors that count as temporary here although others would not do again.

    """
    deadline, delay_s = time.monotonic() + patience_s, _FIRST_S
    while True:
        try:
            return act()
        except JobsError as error:
            if not (error.is_temporary or isinstance(error, also)):
                raise
            if time.monotonic() >= deadline:
                raise
        wait(delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing
        delay_s = min(_LONGEST_S, delay_s * 2)
