"""How long tests wait: an upper bound that a busy machine does not reach."""

import time
from collections.abc import Callable

PATIENCE_S = 90.0


def wait_until(
    is_so: Callable[[], object],
    complaint: str | Callable[[], str] = "it never came",
    *,
    poll_s: float = 0.05,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait until this holds; otherwise fail with the complaint."""
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline, complaint if isinstance(complaint, str) else complaint()
        time.sleep(poll_s)
