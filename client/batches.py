"""Batches: many objects in one go."""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from client.batch_models import Batch, BatchLine, LineState
from client.errors import ClientError, WaitTimeoutError
from client.http import Connection, is_temporary, pause
from client.models import Upload

_POLL_FIRST_S, _POLL_LAST_S = 0.5, 10.0


class Batches:
    """The batches of one API key's tenant; see `FlashVSRClient` for what all methods raise."""

    def __init__(
        self, connection: Connection, upload: Callable[[str | os.PathLike[str]], Upload]
    ) -> None:
        self._connection = connection
        self._upload = upload

    def create(
        self,
        *,
        prefix: str | None = None,
        suffixes: Sequence[str] = (),
        objects: Sequence[str] | None = None,
        manifest: str | os.PathLike[str] | None = None,
        manifest_url: str | None = None,
        manifest_form: Literal["csv", "jsonl"] | None = None,
        parameters: Mapping[str, Any] | None = None,
        template: str | None = None,
        on_collision: Literal["skip", "fail", "version"] | None = None,
        report_url: str | None = None,
        webhook_url: str | None = None,
        name: str | None = None,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Make a batch from exactly one source.

        Args:
            prefix: `s3://bucket/beginning`.
            suffixes: endings of keys under the prefix; none takes all.
            objects: `s3://` addresses.
            manifest: a file here, which is uploaded.
            manifest_url: one in a bucket.
            manifest_form: None goes by its first line.
            parameters: as `FlashVSRClient.submit` takes them.
            template: where results go; None keeps them in the service.
            on_collision: where something lies there; None fails.
            report_url: a folder; None is that of the first result.
            webhook_url: is told once, at the end.
            name: for people.
            dry_run: list and estimate only; `start` runs it.
            idempotency_key: the same one never makes two batches. One is made up in any case, so
                that trying again is safe.

        """
        source: dict[str, Any] = {"url": manifest_url, "form": manifest_form}
        if manifest is not None:
            source["upload_id"] = self._upload(manifest).id
        output = None
        if template is not None or on_collision is not None:
            output = _given(template=template, on_collision=on_collision)
        body = _given(
            prefix=prefix,
            suffixes=list(suffixes) or None,
            objects=None if objects is None else list(objects),
            manifest=_given(**source) or None,
            parameters=None if parameters is None else dict(parameters),
            output=output,
            report_url=report_url,
            webhook_url=webhook_url,
            name=name,
            dry_run=dry_run or None,
        )
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        answer = self._connection.call("POST", "/v1/batches", json=body, headers=headers)
        return Batch.from_json(answer.json())

    def get(self, batch_id: str) -> Batch:
        """Read a batch as it is now."""
        return Batch.from_json(self._connection.call("GET", f"/v1/batches/{batch_id}").json())

    def list(self, *, page_size: int = 20) -> Iterator[Batch]:
        """Give batches, newest first, page after page as they are read."""
        query: dict[str, Any] = {"limit": page_size}
        while True:
            page = self._connection.call("GET", "/v1/batches", query=query).json()
            for found in page["batches"]:
                yield Batch.from_json(found)
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def lines(
        self, batch_id: str, *, states: Sequence[LineState] = (), page_size: int = 500
    ) -> Iterator[BatchLine]:
        """Give a batch's lines in their order."""
        query: dict[str, Any] = {"limit": page_size, "state": [*states]}
        while True:
            page = self._connection.call("GET", f"/v1/batches/{batch_id}/lines", query=query).json()
            for found in page["lines"]:
                yield BatchLine.from_json(found)
            if page["next_after"] is None:
                return
            query["after"] = page["next_after"]

    def wait(
        self,
        batch_id: str,
        *,
        timeout_s: float | None = None,
        on_change: Callable[[Batch], None] | None = None,
    ) -> Batch:
        """Wait until a batch has ended, over outages of the service too.

        Args:
            batch_id: of the batch.
            timeout_s: at most so long; None waits forever.
            on_change: called with the batch each time that it was looked at.

        Raises:
            WaitTimeoutError: it has not ended by then; it goes on.

        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        failures, pause_s = 0, _POLL_FIRST_S
        while True:
            try:
                batch = self.get(batch_id)
            except ClientError as error:
                if not is_temporary(error):
                    raise
                failures += 1
                pause(failures)
            else:
                failures = 0
                if on_change is not None:
                    on_change(batch)
                if batch.has_ended:
                    return batch
            if deadline is not None and time.monotonic() + pause_s > deadline:
                raise WaitTimeoutError(f"{batch_id} has not ended within {timeout_s:g} s.")
            time.sleep(pause_s)
            pause_s = min(_POLL_LAST_S, pause_s * 1.3)

    def start(self, batch_id: str) -> Batch:
        """Run what a dry run has listed."""
        return self._post(batch_id, "start")

    def pause(self, batch_id: str) -> Batch:
        """Hold everything that does not run yet."""
        return self._post(batch_id, "pause")

    def resume(self, batch_id: str) -> Batch:
        """Let a paused batch go on."""
        return self._post(batch_id, "resume")

    def cancel(self, batch_id: str) -> Batch:
        """Cancel all that waits and runs."""
        return self._post(batch_id, "cancel")

    def retry(self, batch_id: str) -> Batch:
        """Try what failed again; in a canceled batch, also what was canceled."""
        return self._post(batch_id, "retry")

    def report(
        self,
        batch_id: str,
        path: str | os.PathLike[str],
        *,
        form: Literal["csv", "json"] = "csv",
        overwrite: bool = False,
    ) -> Path:
        """Fetch the report as it is now; the file appears whole or not at all."""
        target = Path(path)
        if target.exists() and not overwrite:
            raise ClientError(f"{target} exists; choose another name, or overwrite it.")
        partial = target.with_name(f".{target.name}.partial-{token_hex(4)}")
        try:
            with partial.open("xb") as file:
                for piece in self.report_pieces(batch_id, form=form):
                    file.write(piece)
            partial.replace(target)
        except OSError as error:
            raise ClientError(f"{target} cannot be written: {error.strerror}.") from error
        finally:
            partial.unlink(missing_ok=True)
        return target

    def report_pieces(
        self, batch_id: str, *, form: Literal["csv", "json"] = "csv"
    ) -> Iterator[bytes]:
        """Give the report as it is now, piece by piece."""
        address = f"/v1/batches/{batch_id}/report?form={form}"
        with self._connection.stream(address, {}, is_link=False) as answer:
            yield from answer.iter_bytes(1 << 20)

    def _post(self, batch_id: str, verb: str) -> Batch:
        answer = self._connection.call(
            "POST", f"/v1/batches/{batch_id}/{verb}", is_repeatable=False
        )
        return Batch.from_json(answer.json())


def _given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - plain JSON
    return {name: value for name, value in fields.items() if value is not None}
