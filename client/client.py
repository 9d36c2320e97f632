"""The client itself: one method for each thing that the service does."""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from client.batches import Batches
from client.errors import ClientError, WaitTimeoutError
from client.fetching import fetch_file
from client.following import follow
from client.http import Connection, is_temporary, pause
from client.models import Attempt, Job, State, Upload
from client.sending import OnBegun, OnProgress, send_file
from client.watches import Watches

Part = Literal["result", "poster", "preview"]

_POLL_S = 30.0


class FlashVSRClient:
    """A FlashVSR Service, as one API key sees it. Safe to share between threads.

    Every method raises `UnreachableError` where the service does not answer, and a `ProblemError`
    where it says no. What fails for the moment only is tried again, with growing pauses.
    """

    def __init__(
        self, base_url: str, api_key: str, *, timeout_s: float = 30.0, tries: int = 5
    ) -> None:
        """Prepare connections; none is made yet.

        Args:
            base_url: such as `http://127.0.0.1:8000`.
            api_key: `fvsr_…`.
            timeout_s: for one answer.
            tries: of one request.

        Raises:
            ClientError: the address cannot be one.

        """
        if urlsplit(base_url).scheme not in ("http", "https"):
            raise ClientError(f"{base_url!r} is no address; it must be like http://host:8000.")
        self._connection = Connection(base_url.rstrip("/"), api_key, timeout_s, tries)
        self.batches = Batches(self._connection, self.upload)
        self.watches = Watches(self._connection)

    def close(self) -> None:
        """Give connections back."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def upload(
        self,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        content_type: str | None = None,
        verify: bool = False,
        parallel: int = 4,
        on_progress: OnProgress | None = None,
        resume: str | None = None,
        on_begun: OnBegun | None = None,
    ) -> Upload:
        """Send a file; large ones in parts. After an error nothing remains of it.

        Args:
            filename: another name for people to see.
            content_type: guessed from the name where it is None.
            verify: have the service read it back and compare the sha256; the size is always
                compared.
            parallel: parts at the same time; each takes 16 MiB of memory, or more.
            on_progress: called with the bytes sent and the bytes in all.
            resume: id of an upload of this file that broke off; parts that have come stay there.
            on_begun: called with the upload; with it, what has come stays there after an error.

        """
        return send_file(
            self._connection,
            Path(path),
            filename=filename,
            content_type=content_type,
            verify=verify,
            parallel=parallel,
            on_progress=on_progress,
            resume=resume,
            on_begun=on_begun,
        )

    def delete_upload(self, upload_id: str) -> None:
        """Forget an upload that no waiting or running job needs."""
        self._connection.call("DELETE", f"/v1/uploads/{upload_id}")

    def submit(
        self,
        *,
        upload_id: str | None = None,
        input_url: str | None = None,
        input_version: str | None = None,
        output_url: str | None = None,
        on_collision: Literal["skip", "fail", "version"] | None = None,
        pipeline: Literal["tiny", "full"] | None = None,
        scale: Literal[2, 3, 4] | None = None,
        width_px: int | None = None,
        height_px: int | None = None,
        seed: int | None = None,
        color: Literal["auto", "adain", "wavelet", "source", "none"] | None = None,
        sparse_ratio: float | None = None,
        local_range: int | None = None,
        tile_px: int | None = None,
        codec: Literal["h264", "hevc", "av1"] | None = None,
        bit_depth: Literal[8, 10] | None = None,
        crf: int | None = None,
        container: Literal["mp4", "mov", "mkv", "webm"] | None = None,
        queue: str | None = None,
        priority: int | None = None,
        webhook_url: str | None = None,
        name: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a job for one input: an upload, or an `s3://` address. None takes the default.

        It is sent with an idempotency key in any case, so that trying again cannot make two jobs;
        give one of your own to be safe across restarts.
        """
        choices = {
            "upload_id": upload_id,
            "input_url": input_url,
            "input_version": input_version,
            "output_url": output_url,
            "on_collision": on_collision,
            "pipeline": pipeline,
            "scale": scale,
            "width_px": width_px,
            "height_px": height_px,
            "seed": seed,
            "color": color,
            "sparse_ratio": sparse_ratio,
            "local_range": local_range,
            "tile_px": tile_px,
            "codec": codec,
            "bit_depth": bit_depth,
            "crf": crf,
            "container": container,
            "queue": queue,
            "priority": priority,
            "webhook_url": webhook_url,
            "name": name,
        }
        body = {field: value for field, value in choices.items() if value is not None}
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        answer = self._connection.call("POST", "/v1/jobs", json=body, headers=headers)
        return Job.from_json(answer.json())

    def get(self, job_id: str) -> Job:
        """Read a job as it is now."""
        return Job.from_json(self._connection.call("GET", f"/v1/jobs/{job_id}").json())

    def attempts(self, job_id: str) -> list[Attempt]:
        """List what workers tried, first to last."""
        answer = self._connection.call("GET", f"/v1/jobs/{job_id}/attempts")
        return [Attempt.from_json(each) for each in answer.json()]

    def wait(
        self,
        job_id: str,
        *,
        timeout_s: float | None = None,
        on_change: Callable[[Job], None] | None = None,
    ) -> Job:
        """Wait until a job has ended, over outages of the service too.

        Args:
            timeout_s: at most so long; None waits forever.
            on_change: called with the job as it is now, and at every change.

        Raises:
            WaitTimeoutError: it has not ended by then; it goes on.

        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        etag, failures = "", 0
        while True:
            left_s = _POLL_S if deadline is None else max(0.0, deadline - time.monotonic())
            wait_s = min(_POLL_S, left_s)
            try:
                answer = self._connection.call(
                    "GET",
                    f"/v1/jobs/{job_id}",
                    query={"wait": wait_s} if etag else None,
                    headers={"If-None-Match": etag} if etag else None,
                    wait_s=wait_s,
                )
            except ClientError as error:
                if not is_temporary(error) or left_s == 0:
                    raise
                failures += 1
                pause(failures)
                continue
            failures, etag = 0, answer.headers.get("etag", "")
            if answer.status_code == 200:
                job = Job.from_json(answer.json())
                if on_change is not None:
                    on_change(job)
                if job.has_ended:
                    return job
            if left_s == 0:
                raise WaitTimeoutError(f"{job_id} has not ended within {timeout_s:g} s.")

    def events(self, job_id: str) -> Iterator[Job]:
        """Give the job as it is now, and at every change until it ends or is deleted."""
        return follow(self._connection, job_id)

    def list(
        self,
        *,
        states: Sequence[State] = (),
        queue: str | None = None,
        pipeline: Literal["tiny", "full"] | None = None,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
        page_size: int = 100,
    ) -> Iterator[Job]:
        """Give jobs, newest first, page after page as they are read; datetimes must be aware."""
        moments = {"created_from": created_from, "created_before": created_before}
        query: dict[str, object] = {"limit": page_size, "queue": queue, "pipeline": pipeline}
        query |= {name: moment and moment.isoformat() for name, moment in moments.items()}
        query = {name: value for name, value in query.items() if value is not None}
        if states:
            query["state"] = list(states)
        while True:
            page = self._connection.call("GET", "/v1/jobs", query=query).json()
            for found in page["jobs"]:
                yield Job.from_json(found)
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def cancel(self, job_id: str) -> Job:
        """Cancel a waiting job at once, and a running one between two chunks."""
        return self._post(job_id, "cancel")

    def retry(self, job_id: str) -> Job:
        """Queue a failed, canceled or expired job again."""
        return self._post(job_id, "retry")

    def delete(self, job_id: str) -> None:
        """Forget a job that does not run, and its files."""
        self._connection.call("DELETE", f"/v1/jobs/{job_id}", is_repeatable=False)

    def download(
        self,
        job_id: str,
        path: str | os.PathLike[str],
        *,
        part: Part = "result",
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """Fetch what a job made; the file appears whole or not at all.

        Args:
            job_id: of a job that succeeded.
            part: the video, whose sha256 is checked, its poster or its preview.
            overwrite: replace a file that is there.
            on_progress: called with the bytes received and the bytes in all.

        Raises:
            DownloadDamagedError: what arrived is not what the service recorded.
            ConflictError: there is no result, or no longer.

        """
        target = Path(path)
        if target.exists() and not overwrite:
            raise ClientError(f"{target} exists; choose another name, or overwrite it.")
        job = self.get(job_id)
        sha256 = job.result.sha256 if part == "result" and job.result else None
        fetch_file(
            self._connection,
            f"/v1/jobs/{job_id}/{part}",
            target,
            sha256=sha256,
            on_progress=on_progress,
        )
        return target

    def _post(self, job_id: str, verb: str) -> Job:
        answer = self._connection.call("POST", f"/v1/jobs/{job_id}/{verb}", is_repeatable=False)
        return Job.from_json(answer.json())
