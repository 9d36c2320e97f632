"""Following a job: server-sent events, read by hand and taken up again where they break off."""

import json
from collections.abc import Iterator

from client.errors import ClientError
from client.http import Connection, is_temporary, pause
from client.models import Job

_TRIES = 10


def follow(connection: Connection, job_id: str) -> Iterator[Job]:
    """Give the job at every change. See `FlashVSRClient.events`."""
    last_id, failures = "", 0
    while failures < _TRIES:
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            with connection.stream(f"/v1/jobs/{job_id}/events", headers, is_link=False) as answer:
                if answer.status_code == 204:
                    return
                for name, event_id, data in _events(answer.iter_lines()):
                    failures = 0
                    if name == "deleted":
                        return
                    last_id = event_id
                    yield Job.from_json(json.loads(data))
                    if name == "ended":
                        return
        except ClientError as error:
            failures += 1
            if failures == _TRIES or not is_temporary(error):
                raise
            pause(failures)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Give name, id and data of every event."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            if "data" in fields:
                yield fields.get("event", "message"), fields.get("id", ""), fields["data"]
            fields = {}
