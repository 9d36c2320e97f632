"""The life of one job, from the claim to the one write that publishes its result.

    download -> probe -> read, enlarge, write -> upload -> publish

Whatever ends it early ends up in `run_job`, which tells the database once. A worker that lost its
lease tells nothing; it removes what it uploaded, and the sweep removes what it could not.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.errors import (
    DatabaseUnavailableError,
    JobsError,
    LeaseLostError,
    ObjectDamagedError,
    ObjectNotFoundError,
    OutputSkippedError,
    StorageError,
)
from jobs.job import JobResult, Reason
from jobs.placement import Place
from jobs.repository.claims import Claim, Claims
from jobs.storage import Stored
from worker.engine import Made
from worker.failures import Failure, failure_of, is_out_of_memory
from worker.heartbeat import CancelRequestedError, Heartbeat, StoppingError
from worker.patience import patiently
from worker.scratch import held_folder
from worker.source import find_source, readable_name
from worker.tools import Tools

if TYPE_CHECKING:
    from worker.destination import Destination

CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
}

# How much of the whole each stage is, for the percentage that people see.
_DOWNLOADED, _ENLARGED = 5.0, 90.0

T = TypeVar("T")

log = logging.getLogger(__name__)


def run_job(claim: Claim, tools: Tools) -> Failure | None:
    """Run a job that was claimed to whatever end; return the failure where it is one."""
    started = time.monotonic()
    about = {"worker": tools.settings.worker_id, "job": claim.job.id, "attempt": claim.job.attempt}
    log.info("%s begins, attempt %d", claim.job.id, claim.job.attempt, extra=about)
    failure: Failure | None = None
    with Heartbeat(
        tools.database, claim.lease, tools.settings.progress_s, tools.stopping
    ) as heartbeat:
        attempt = _Attempt(claim, tools, heartbeat)
        try:
            result = attempt.produce()
        except LeaseLostError:
            how = "lost its lease"
            attempt.remove_objects()
        except CancelRequestedError:
            how = attempt.end("was canceled", lambda c: c.cancel(claim.lease, attempt.seconds))
        except OutputSkippedError as error:
            skipped = Reason(error.code, str(error))
            how = attempt.end("was skipped", lambda c: c.cancel(claim.lease, reason=skipped))
        except StoppingError:
            how = attempt.end("was given back", lambda c: c.give_back(claim.lease))
            # Twice, because this worker's Celery may hear the first bell before it stops to listen.
            tools.ring(claim.job.request.queue)
            tools.ring(claim.job.request.queue)
        except Exception as error:
            failure = failure_of(error)
            log.exception("%s failed", claim.job.id, extra=about | {"code": failure.reason.code})
            # The traceback holds every frame's tensors.
            error.__traceback__ = None
            reason, again = failure.reason, failure.is_retriable
            how = attempt.end(
                f"failed with {reason.code}",
                lambda c: c.fail(
                    claim.lease, reason, is_retriable=again, stage_seconds=attempt.seconds
                ),
            )
        else:
            how = attempt.end(
                "succeeded", lambda c: c.succeed(claim.lease, result, attempt.seconds)
            )
    seconds = round(time.monotonic() - started, 3)
    log.info("%s %s after %s s", claim.job.id, how, seconds, extra=about | {"seconds": seconds})
    return failure


class _Attempt:
    """One attempt's steps, in order."""

    def __init__(self, claim: Claim, tools: Tools, heartbeat: Heartbeat) -> None:
        self._job, self._lease = claim.job, claim.lease
        self._tools, self._heartbeat = tools, heartbeat
        self._has_objects = False
        self._destination: Destination | None = None
        self.seconds: dict[str, float] = {}

    def produce(self) -> JobResult:
        """Do everything but the last write."""
        with self._stage("loading"):
            self._tools.engine.load(self._job.request.pipeline)
        own = self._tools.scratch / f"{self._job.id}-{self._lease.attempt}"
        with held_folder(own) as folder:
            path = folder / "input" / readable_name(self._job.request.name)
            path.parent.mkdir()
            with self._stage("downloading"):
                if (earlier := self._earlier_result()) is not None:
                    return earlier
                source = self._patiently(lambda: find_source(self._job, self._tools))
                self._patiently(lambda: source.download(path, self._on_bytes))
            with self._stage("probing", percent=_DOWNLOADED):
                facts = self._tools.engine.probe(path, self._job)
                self._patiently(lambda: self._record_input(facts))
            with self._stage("enlarging", percent=_DOWNLOADED):
                made = self._enlarge(path)
            with self._stage("uploading", percent=_ENLARGED):
                self._patiently(source.check_unchanged)
                return self._upload(made)

    def _earlier_result(self) -> JobResult | None:
        """Look where the result is to go in somebody's own bucket."""
        if self._job.request.output_url is None:
            return None
        from worker.destination import Destination

        self._destination = Destination(self._tools.buckets, self._job)
        return self._patiently(self._destination.earlier_result)

    def _record_input(self, facts: Mapping[str, Any]) -> None:
        with self._tools.database.transaction() as rows:
            rows.claims.record_input(self._lease, facts)

    def _enlarge(self, source: Path) -> Made:
        tile_px, retry_px = self._job.request.tile_px, self._tools.settings.retry_tile_px
        made = self._try_to_enlarge(source, tile_px)
        if made is None and (tile_px is None or tile_px > retry_px):
            log.warning(
                "%s needs more memory than there is; once again in tiles of %d px",
                self._job.id, retry_px,
                extra={"job": self._job.id, "attempt": self._job.attempt},
            )  # fmt: skip
            tile_px = retry_px
            made = self._try_to_enlarge(source, tile_px)
        if made is None:
            raise MemoryError
        return made

    def _try_to_enlarge(self, source: Path, tile_px: int | None) -> Made | None:
        """Enlarge; None where the memory was not enough."""
        folder = source.parent.with_name(f"tile-{tile_px}")
        folder.mkdir()
        try:
            return self._tools.engine.enlarge(
                source, folder, self._job, tile_px=tile_px, report=self._report
            )
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler, whose exception keeps every tensor on the stack alive.
        shutil.rmtree(folder)
        self._tools.engine.free_memory()
        return None

    def _upload(self, made: Made) -> JobResult:
        poster = made.poster and self._put("poster", made.poster)
        preview = made.preview and self._put("preview", made.preview)
        # Last, because in somebody's own bucket nothing is ever removed.
        url: str | None = None
        if self._destination is None:
            result = self._put("result", made.result)
        else:
            result = self._put_there(self._destination, made.result)
            url = result.key
        return JobResult(
            key=result.key if url is None else Place.of_url(url).key,
            url=url,
            size_bytes=result.size_bytes,
            sha256=result.sha256,
            poster_key=poster.key if poster else None,
            preview_key=preview.key if preview else None,
            facts=made.facts,
        )

    def _put(self, name: str, path: Path) -> Stored:
        key = f"{self._lease.object_prefix}{name}{path.suffix}"
        content_type = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        storage, tries = self._tools.storage, count()
        self._heartbeat.check()
        self._has_objects = True

        def put() -> Stored:
            if next(tries) > 0:
                # Parts of a try that broke off would stay for ever beside a published result.
                storage.delete(key)
            return storage.put(key, path, content_type=content_type, on_bytes=self._on_bytes)

        # The file here is sound. It was damaged on its way, or it arrived, the answer was lost, and
        # the store did not know the upload any more when it was asked to finish again.
        return self._patiently(put, also=(ObjectDamagedError, ObjectNotFoundError))

    def _put_there(self, destination: "Destination", path: Path) -> Stored:
        content_type = CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        self._heartbeat.check()
        return self._patiently(
            lambda: destination.put(
                path,
                content_type=content_type,
                on_bytes=self._on_bytes,
                on_multipart=self._note_upload,
            ),
            also=(ObjectNotFoundError,),
        )

    def _note_upload(self, place: Place, upload_id: str) -> None:
        with self._tools.database.transaction() as rows:
            rows.claims.note_upload(self._lease, place.url, upload_id)

    def end(self, how: str, write: Callable[[Claims], object]) -> str:
        """Tell the database how the attempt ended; return what came of that.

        Only the answer to this write counts here and not the heartbeat's: after a success whose
        answer was lost, the heartbeat finds no lease although the result is published.
        """

        def tell() -> None:
            with self._tools.database.transaction() as rows:
                write(rows.claims)

        try:
            patiently(tell, self._tools.settings.patience_s)
        except LeaseLostError:
            self.remove_objects()
            return f"{how}, but had lost its lease"
        except DatabaseUnavailableError:
            # It may have been committed, so the objects stay until the sweep knows.
            return f"{how}, but the database could not be told"
        if how != "succeeded":
            self.remove_objects()
        return how

    def remove_objects(self) -> None:
        """Remove what this attempt uploaded; the sweep removes what remains."""
        if self._has_objects:
            with suppress(StorageError):
                self._tools.storage.delete(self._lease.object_prefix)

    @contextmanager
    def _stage(self, name: str, percent: float = 0.0) -> Iterator[None]:
        self._heartbeat.check()
        self._heartbeat.progress(stage=name, percent=percent, seconds_left=None)
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 3)

    def _report(self, done: int, total: int | None, elapsed_s: float) -> None:
        rate = done / elapsed_s if elapsed_s and done else None
        left = max(0, total - done) if total else None
        share = min(1.0, done / total) if total else 0.0
        self._heartbeat.progress(
            percent=round(_DOWNLOADED + share * (_ENLARGED - _DOWNLOADED), 1),
            frames_done=done,
            frames_total=total,
            frames_per_s=rate and round(rate, 2),
            seconds_left=round(left / rate, 1) if rate and left is not None else None,
        )
        if rate:
            self._tools.frames_per_s = round(rate, 2)
        self._heartbeat.check()

    def _on_bytes(self, _count: int) -> None:
        self._heartbeat.check()

    def _patiently(self, act: Callable[[], T], also: tuple[type[JobsError], ...] = ()) -> T:
        return patiently(act, self._tools.settings.patience_s, self._heartbeat.wait, also)
