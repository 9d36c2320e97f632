"""Where a job's result goes in somebody's own bucket: to an address where nothing lies, or nowhere.

Each object names the job that wrote it. So a worker that finds its own job's object knows that an
earlier attempt died between writing it and telling the database, and publishes what is there.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from jobs.errors import OutputExistsError, OutputSkippedError, RequestInvalidError
from jobs.job import Job, JobResult
from jobs.placement import Collision, Place, numbered
from jobs.storage.buckets import BucketObject, Buckets, is_of
from jobs.storage.interface import OnBytes, Stored

VERSIONS_MAX = 1000


class Destination:
    """The addresses that one job's result may go to."""

    def __init__(self, buckets: Buckets | None, job: Job) -> None:
        """Look at nothing yet.

        Raises:
            RequestInvalidError: this service knows no S3 server.

        """
        if buckets is None:
            raise RequestInvalidError(
                "This service knows no S3 server to write to; fetch the result instead, or have"
                " FLASHVSR_BUCKETS_URL set."
            )
        self._buckets = buckets
        self._wanted = Place.of_url(job.request.output_url or "")
        self._rule: Collision = job.request.on_collision or "fail"
        self._owner = {"flashvsr-job": job.id}

    def earlier_result(self) -> JobResult | None:
        """Return what an earlier attempt of this job has written already; None where it did not.

        Raises:
            OutputExistsError: the result could go nowhere.
            OutputSkippedError: the same, and that was to be no failure.

        """
        for place in self._candidates():
            found = self._buckets.head(place)
            if found is None:
                return None
            if is_of(found, self._owner):
                return _result_of(found)
        raise self._refusal()

    def put(
        self,
        path: Path,
        *,
        content_type: str,
        on_bytes: OnBytes,
        on_multipart: Callable[[Place, str], None],
    ) -> Stored:
        """Write the result; may be repeated, and finds what it wrote before.

        Args:
            path: of the file.
            content_type: of the object.
            on_bytes: see `OnBytes`.
            on_multipart: see `Buckets.put_new`.

        Raises:
            OutputExistsError: see `earlier_result`.
            OutputSkippedError: see `earlier_result`.

        """
        for place in self._candidates():
            try:
                return self._buckets.put_new(
                    place,
                    path,
                    content_type=content_type,
                    owner=self._owner,
                    on_bytes=on_bytes,
                    on_multipart=partial(on_multipart, place),
                )
            except OutputExistsError:
                continue
        raise self._refusal()

    def _candidates(self) -> Iterator[Place]:
        yield self._wanted
        if self._rule == "version":
            for number in range(2, VERSIONS_MAX + 1):
                yield Place(self._wanted.bucket, numbered(self._wanted.key, number))

    def _refusal(self) -> OutputExistsError | OutputSkippedError:
        url = self._wanted.url
        if self._rule == "skip":
            return OutputSkippedError(f"Something lies at {url} already, so nothing was done.")
        if self._rule == "version":
            return OutputExistsError(
                f"{url} has {VERSIONS_MAX} versions already; choose another output."
            )
        return OutputExistsError(
            f"Something lies at {url} already and was left as it is; choose another output, or the"
            " collision rule skip or version."
        )


def _result_of(found: BucketObject) -> JobResult:
    return JobResult(
        key=found.place.key,
        size_bytes=found.size_bytes,
        sha256=found.metadata.get("flashvsr-sha256", ""),
        url=found.place.url,
        facts={"size_bytes": found.size_bytes},
    )
