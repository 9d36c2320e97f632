"""How long things are waited for and kept, and how often they are tried."""

import random
from dataclasses import dataclass

_DAY_S = 86_400.0


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

    def backoff_s(self, tries: int) -> float:
        """Return how long to wait after `tries` failures: exponential, half of it random.

        The random half keeps jobs that failed together from coming back together.
        """
        full = min(self.backoff_max_s, self.backoff_first_s * self.backoff_factor ** (tries - 1))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
