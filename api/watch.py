"""Waiting for a job to change, for long polls and event streams.

These are the only asynchronous routes: a thread each would be held for minutes. The row is looked
at a few times a second, less often the longer nothing happens.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool

from api.errors import TooManyWatchersError
from api.services import Services
from jobs.job import ENDED, Job

_FIRST_PAUSE_S = 0.2
_LAST_PAUSE_S = 1.0
_SLOWER = 1.2


class Watchers:
    """How many wait at this moment; they all live in one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.count = 0

    def check(self) -> None:
        """Look for room, before the answer begins.

        Raises:
            TooManyWatchersError: there is none.

        """
        if self.count >= self._most:
            raise TooManyWatchersError("Too many clients wait for changes; ask without waiting.")

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Count one more for a while."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


async def read_job(services: Services, tenant: str, job_id: str) -> Job:
    """Read a job without holding up the loop."""

    def read() -> Job:
        with services.database.reading() as rows:
            return rows.jobs.get(tenant, job_id)

    return await run_in_threadpool(read)


async def wait_for_change(
    services: Services,
    job: Job,
    timeout_s: float,
    has_left: Callable[[], Awaitable[bool]],
) -> Job:
    """Return the job once it differs from `job`, or as it is after the timeout.

    An ended job is not waited for, and neither is anything once the service stops or the client
    has left.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = _FIRST_PAUSE_S
    latest = job
    while latest.version == job.version and job.state not in ENDED:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or services.closing.is_set() or await has_left():
            break
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(_LAST_PAUSE_S, pause_s * _SLOWER)
        latest = await read_job(services, job.tenant, job.id)
    return latest
