"""Watched prefixes: what is dropped there becomes jobs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from client.http import Connection
from client.watch_models import EventState, S3Event, Watch


class Watches:
    """The watches of one API key's tenant; see `FlashVSRClient` for what all methods raise."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self,
        prefix: str,
        *,
        suffixes: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        template: str | None = None,
        on_collision: Literal["skip", "fail", "version"] | None = None,
        existing: Literal["run", "ignore"] | None = None,
        webhook_url: str | None = None,
        name: str | None = None,
    ) -> Watch:
        """Watch a prefix; the answer alone has the secret for stores that post events.

        Args:
            prefix: `s3://bucket/folder/`.
            suffixes: endings of keys; none takes all.
            parameters: as `FlashVSRClient.submit` takes them.
            template: where results go, not under a watched prefix; None takes the default.
            on_collision: where something lies there; None skips.
            existing: what becomes of objects that lie there already; None runs them.
            webhook_url: is told how each job ended.
            name: for people.

        """
        given = {"template": template, "on_collision": on_collision}
        output = {field: value for field, value in given.items() if value is not None}
        body: dict[str, Any] = {
            "prefix": prefix,
            "suffixes": list(suffixes),
            "parameters": dict(parameters or {}),
            "output": output or None,
            "existing": existing,
            "webhook_url": webhook_url,
            "name": name,
        }
        body = {field: value for field, value in body.items() if value is not None}
        answer = self._connection.call("POST", "/v1/watches", json=body, is_repeatable=False)
        return Watch.from_json(answer.json())

    def get(self, watch_id: str) -> Watch:
        """Read a watch, with its counts."""
        return Watch.from_json(self._connection.call("GET", f"/v1/watches/{watch_id}").json())

    def list(self, *, page_size: int = 50) -> Iterator[Watch]:
        """Give watches, newest first, page after page as they are read."""
        for found in self._pages("/v1/watches", "watches", {"limit": page_size}):
            yield Watch.from_json(found)

    def events(
        self, watch_id: str, *, states: Sequence[EventState] = (), page_size: int = 100
    ) -> Iterator[S3Event]:
        """Give what a watch was told, newest first, page after page as they are read."""
        query: dict[str, Any] = {"limit": page_size, "state": [*states]}
        for found in self._pages(f"/v1/watches/{watch_id}/events", "events", query):
            yield S3Event.from_json(found)

    def pause(self, watch_id: str) -> Watch:
        """Make no more jobs until it is resumed."""
        return self._post(watch_id, "pause")

    def resume(self, watch_id: str) -> Watch:
        """Go on, with what was missed."""
        return self._post(watch_id, "resume")

    def list_now(self, watch_id: str) -> Watch:
        """Have the prefix listed now, for what no event told of."""
        return self._post(watch_id, "list")

    def remove(self, watch_id: str) -> None:
        """Watch no longer; jobs and results stay."""
        self._connection.call("DELETE", f"/v1/watches/{watch_id}", is_repeatable=False)

    def _post(self, watch_id: str, verb: str) -> Watch:
        answer = self._connection.call("POST", f"/v1/watches/{watch_id}/{verb}")
        return Watch.from_json(answer.json())

    def _pages(self, path: str, field: str, query: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        while True:
            page = self._connection.call("GET", path, query=query).json()
            yield from page[field]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]
