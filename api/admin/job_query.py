"""The filters of the list of jobs, as they stand in its address."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from starlette.datastructures import QueryParams

from api.errors import FieldsInvalidError
from jobs.api_key import EVERY_TENANT
from jobs.job import STATES, State
from jobs.repository.claims import PIPELINES
from jobs.repository.job_lists import JobFilter

_LONGEST = 300
IDS_MAX = 200


@dataclass(frozen=True)
class JobQuery:
    """Which jobs somebody wants to see."""

    tenant: str
    job_filter: JobFilter
    fields: dict[str, str | list[str]]
    """As in the address; what is empty is left out."""

    @property
    def in_words(self) -> list[tuple[str, str]]:
        """Name every condition and its value, for a question that must not be misunderstood."""
        names = {
            "state": "state",
            "queue": "queue",
            "tenant": "tenant",
            "pipeline": "pipeline",
            "batch": "batch or watch",
            "error": "error code",
            "pattern": "message like",
            "text": "name or id with",
            "from": "created from",
            "before": "created before",
        }
        words = [
            (label, value if isinstance(value, str) else " or ".join(value))
            for name, label in names.items()
            if (value := self.fields.get(name))
        ]
        if self.job_filter.ids:
            words.append(("chosen in the list", f"{len(self.job_filter.ids)} jobs"))
        return words


def read_query(params: QueryParams) -> JobQuery:
    """Read an address.

    Raises:
        FieldsInvalidError: a filter cannot be used.

    """
    fields: dict[str, str | list[str]] = {}
    for name in ("queue", "tenant", "pipeline", "batch", "error", "pattern", "text"):
        if value := _text(params, name):
            fields[name] = value
    states = [each for each in params.getlist("state") if each]
    if any(state not in STATES for state in states):
        raise FieldsInvalidError(f"There is no such state; take some of {', '.join(STATES)}.")
    if states:
        fields["state"] = states
    moments: dict[str, datetime] = {}
    for name in ("from", "before"):
        if value := _text(params, name):
            moments[name] = _moment(name, value)
            fields[name] = moments[name].isoformat()
    ids = [each for each in params.getlist("id") if each]
    if len(ids) > IDS_MAX or any(len(each) > _LONGEST for each in ids):
        raise FieldsInvalidError(f"Choose at most {IDS_MAX} jobs, or use the filters.")
    if ids:
        fields["id"] = ids
    pipeline = cast("str | None", fields.get("pipeline"))
    if pipeline is not None and pipeline not in PIPELINES:
        raise FieldsInvalidError(f"There is no such pipeline; take {' or '.join(PIPELINES)}.")
    one = cast("dict[str, str]", fields)
    return JobQuery(
        tenant=one.get("tenant", EVERY_TENANT),
        job_filter=JobFilter(
            states=tuple(cast("list[State]", states)),
            ids=tuple(ids),
            queue=one.get("queue"),
            pipeline=pipeline,
            flow=one.get("batch"),
            reason_code=one.get("error"),
            reason_pattern=one.get("pattern"),
            text=one.get("text"),
            created_from=moments.get("from"),
            created_before=moments.get("before"),
        ),
        fields=fields,
    )


def _text(params: QueryParams, name: str) -> str:
    value = params.get(name, "").strip()
    if len(value) > _LONGEST or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise FieldsInvalidError(f"The filter {name} cannot be used; take another value.")
    return value


def _moment(name: str, value: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        # Without scripts a browser sends the time as it was typed; it counts as UTC then.
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FieldsInvalidError(
            f"The filter {name} is no time; write it like 2026-01-31T14:00."
        ) from error
