"""How long things are waited for and kept, and how often they are tried."""

import random
from dataclasses import dataclass

_DAY_S = 86_400.0

INPUT_MAX_BYTES = 64 * 2**30
"""What is read as an input at most, where no setting says otherwise."""


@dataclass(frozen=True)
class Policy:
    """The numbers behind leases, retries and retention."""

    lease_s: float = 30.0
    """A worker that is not heard of for so long has lost its job; it renews at a third of it."""
    max_attempts: int = 4
    backoff_first_s: float = 10.0
    backoff_factor: float = 3.0
    backoff_max_s: float = 600.0
    result_kept_s: float = 7 * _DAY_S
    upload_kept_s: float = 7 * _DAY_S
    """After its completion, and again after every submission that uses it."""
    upload_pending_s: float = _DAY_S
    """For an upload that was begun and not completed."""
    record_kept_s: float = 90 * _DAY_S
    """For rows of ended jobs, delivered webhooks and workers that are gone."""
    delivery_lease_s: float = 60.0
    webhook_tries: int = 8
    batch_window: int = 256
    """Jobs of one batch that wait or run at the same time; the rest are lines until then."""
    batch_lease_s: float = 60.0
    """Whoever looks after a batch and is not heard of for so long has lost it."""
    session_idle_s: float = 0.5 * _DAY_S
    """A browser that asks for nothing for so long has to sign in again."""
    session_max_s: float = 7 * _DAY_S
    """And every browser after so long."""
    first_link_s: float = 1800.0
    login_tries: int = 5
    """Wrong passwords for one name from one address, within `login_window_s`."""
    login_window_s: float = 900.0

    def backoff_s(self, tries: int) -> float:
        """Return how long to wait after `tries` failures: exponential, half of it random.

        The random half keeps jobs that failed together from coming back together.
        """
        full = min(self.backoff_max_s, self.backoff_first_s * self.backoff_factor ** (tries - 1))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
