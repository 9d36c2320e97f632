"""Another tenant's id is not found, whatever is asked of it."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from jobs.api_key import EVERY_TENANT, Actor
from jobs.database import Database
from jobs.errors import (
    JobNotFoundError,
    KeyNotFoundError,
    NotFoundError,
    RequestInvalidError,
    UploadNotFoundError,
)
from jobs.repository import Repository
from jobs.repository.api_keys import ApiKeys
from jobs.repository.audit_log import AuditLog
from jobs.repository.job_lists import JobLists
from jobs.repository.submissions import Submissions
from jobs.repository.uploads import Uploads
from jobs.request import JobRequest
from tests.jobs.steps import film, make_actor, read, submit, uploaded

Step = Callable[[Repository, Actor, dict[str, str]], Any]

ON_ONE: dict[str, tuple[type[NotFoundError], Step]] = {
    "get": (JobNotFoundError, lambda rows, who, ids: rows.jobs.get(who.tenant, ids["job"])),
    "attempts": (
        JobNotFoundError,
        lambda rows, who, ids: rows.job_lists.attempts(who.tenant, ids["job"]),
    ),
    "position": (
        JobNotFoundError,
        lambda rows, who, ids: rows.job_lists.position(who.tenant, ids["job"]),
    ),
    "cancel": (JobNotFoundError, lambda rows, who, ids: rows.jobs.cancel(who, ids["job"])),
    "retry": (JobNotFoundError, lambda rows, who, ids: rows.jobs.retry(who, ids["dropped"])),
    "delete": (JobNotFoundError, lambda rows, who, ids: rows.jobs.delete(who, ids["job"])),
    "upload": (
        UploadNotFoundError,
        lambda rows, who, ids: rows.uploads.get(who.tenant, ids["upload"]),
    ),
    "complete": (
        UploadNotFoundError,
        lambda rows, who, ids: rows.uploads.complete(who.tenant, ids["pending"]),
    ),
    "delete upload": (
        UploadNotFoundError,
        lambda rows, who, ids: rows.uploads.delete(who, ids["upload"]),
    ),
    "submit": (
        UploadNotFoundError,
        lambda rows, who, ids: rows.jobs.submit(who, JobRequest(upload_id=ids["upload"])),
    ),
    "revoke": (KeyNotFoundError, lambda rows, who, ids: rows.api_keys.revoke(who, ids["key"])),
}

LISTS: dict[str, Callable[[Repository, str], list[Any]]] = {
    "jobs": lambda rows, tenant: [job.id for job in rows.job_lists.page(tenant).jobs],
    "states": lambda rows, tenant: rows.job_lists.state_counts(tenant),
    "backlogs": lambda rows, tenant: [
        (backlog.queue, backlog.jobs) for backlog in rows.job_lists.backlogs(tenant)
    ],
    "uploads": lambda rows, tenant: [upload.id for upload in rows.uploads.page(tenant).uploads],
    "keys": lambda rows, tenant: [
        key.id for key in rows.api_keys.list(tenant) if key.tenant == "alice"
    ],
    "audit": lambda rows, tenant: [
        entry.id for entry in rows.audit_log.page(tenant).entries if entry.tenant == "alice"
    ],
}


@pytest.fixture
def ids(database: Database, alice: Actor) -> dict[str, str]:
    """Things of alice's."""
    job, dropped = submit(database, alice), submit(database, alice)
    with database.transaction() as rows:
        rows.jobs.cancel(alice, dropped.id)
    assert alice.key_id is not None
    return {
        "job": job.id,
        "dropped": dropped.id,
        "upload": uploaded(database, alice).id,
        "pending": uploaded(database, alice, is_complete=False).id,
        "key": alice.key_id,
    }


@pytest.mark.parametrize("step", ON_ONE)
def test_others_do_not_find_it_and_the_owner_does(
    database: Database, alice: Actor, bob: Actor, ids: dict[str, str], step: str
) -> None:
    error, ask = ON_ONE[step]
    before = read(database, ids["job"])
    with pytest.raises(error), database.transaction() as rows:
        ask(rows, bob, ids)
    assert read(database, ids["job"]) == before
    with database.transaction() as rows:
        ask(rows, alice, ids)


@pytest.mark.parametrize("name", LISTS)
def test_lists_show_ones_own(
    database: Database, bob: Actor, ids: dict[str, str], name: str
) -> None:
    with database.reading() as rows:
        assert LISTS[name](rows, bob.tenant) == []
        own = LISTS[name](rows, "alice")
        assert own
        assert LISTS[name](rows, EVERY_TENANT) == own


def test_every_reading_method_is_covered_here() -> None:
    """A new method that takes a tenant must be added above."""
    found = {
        f"{part.__name__}.{name}"
        for part in (ApiKeys, AuditLog, JobLists, Submissions, Uploads)
        for name, method in inspect.getmembers(part, inspect.isfunction)
        if not name.startswith("_")
        and {"tenant", "actor"} & set(inspect.signature(method).parameters)
    }
    assert found == {
        "ApiKeys.create", "ApiKeys.list", "ApiKeys.revoke", "AuditLog.page",
        "JobLists.attempts", "JobLists.backlogs", "JobLists.page", "JobLists.position",
        "JobLists.state_counts", "Submissions.cancel", "Submissions.delete", "Submissions.get",
        "Submissions.retry", "Submissions.submit", "Uploads.announce", "Uploads.complete",
        "Uploads.delete", "Uploads.get", "Uploads.page",
    }  # fmt: skip


def test_nobody_can_be_called_like_the_operator(database: Database) -> None:
    with pytest.raises(RequestInvalidError):
        make_actor(database, EVERY_TENANT)


def test_who_did_what_is_written_down(database: Database, alice: Actor) -> None:
    with database.transaction() as rows:
        job = rows.jobs.submit(alice, film()).job
        rows.jobs.cancel(alice, job.id)
    with database.reading() as rows:
        entries = rows.audit_log.page("alice", subject=job.id).entries
    assert [(e.action, e.actor, e.subject) for e in entries] == [
        ("job.canceled", alice.key_id, job.id),
        ("job.submitted", alice.key_id, job.id),
    ]
