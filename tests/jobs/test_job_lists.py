"""Pages, places and figures."""

import pytest

from jobs.api_key import EVERY_TENANT, Actor
from jobs.database import Database
from jobs.errors import RequestInvalidError
from jobs.job import Job, Reason
from jobs.repository.job_lists import JobFilter
from tests.jobs.steps import claim, film, read, submit, succeed


def test_pages_show_everything_once_while_jobs_come_and_go(
    database: Database, alice: Actor
) -> None:
    # One transaction on SQLite may see one millisecond: equal times must not confuse the pages.
    with database.transaction() as rows:
        ids = [rows.jobs.submit(alice, film(f"film-{n}")).job.id for n in range(25)]
    seen: list[str] = []
    cursor = None
    while True:
        with database.reading() as rows:
            page = rows.job_lists.page("alice", limit=4, cursor=cursor)
        seen += [job.id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            break
        submit(database, alice, "newer")
        # The very job that the cursor points at goes away.
        with database.transaction() as rows:
            rows.jobs.delete(alice, page.jobs[-1].id)
    assert seen == sorted(ids, reverse=True)


@pytest.mark.parametrize("cursor", ["", "nonsense", "MjAyNi0wMS0wMQ==", "é"])
def test_cursors_are_not_invented(database: Database, cursor: str) -> None:
    with pytest.raises(RequestInvalidError), database.reading() as rows:
        rows.job_lists.page("alice", cursor=cursor)


def test_filters_hold_together(database: Database, alice: Actor) -> None:
    tiny = submit(database, alice, "tiny")
    lease = claim(database).lease
    with database.transaction() as rows:
        rows.claims.fail(lease, Reason("not_a_video", "It is not."), is_retriable=False)
    full = submit(database, alice, "full", pipeline="full")
    tiny, full = read(database, tiny.id), read(database, full.id)
    cases: list[tuple[JobFilter, list[Job]]] = [
        (JobFilter(states=("failed",)), [tiny]),
        (JobFilter(states=("failed", "queued")), [full, tiny]),
        (JobFilter(states=("succeeded",)), []),
        (JobFilter(pipeline="full"), [full]),
        (JobFilter(reason_code="not_a_video"), [tiny]),
        (JobFilter(reason_code="not_a_video", pipeline="full"), []),
        (JobFilter(queue="a100"), [full, tiny]),
        (JobFilter(queue="h100"), []),
        (JobFilter(created_from=full.created_at), [full]),
        (JobFilter(created_before=full.created_at), [tiny]),
    ]
    with database.reading() as rows:
        for job_filter, expected in cases:
            assert list(rows.job_lists.page("alice", job_filter).jobs) == expected, job_filter


def test_places_are_those_of_the_claims(database: Database, alice: Actor, bob: Actor) -> None:
    waiting = [submit(database, alice, f"a{n}") for n in range(3)]
    waiting.append(submit(database, bob, "b"))
    waiting.append(submit(database, bob, "urgent", priority=1))
    with database.reading() as rows:
        places = {rows.job_lists.position(EVERY_TENANT, job.id): job.id for job in waiting}
    order: list[str] = []
    while len(order) < len(waiting):
        found = claim(database)
        with database.reading() as rows:
            assert rows.job_lists.position(EVERY_TENANT, found.job.id) is None
        order.append(found.job.id)
    assert [places[place] for place in range(1, 6)] == order


def test_figures(database: Database, alice: Actor, bob: Actor) -> None:
    with database.transaction() as rows:
        rows.workers.register("w", ["h100"])
    for actor, queue in ((alice, "a100"), (alice, "a100"), (bob, "a100"), (alice, "h100")):
        submit(database, actor, queue=queue)
    succeed(database, claim(database, queues=("h100",)).lease)
    with database.reading() as rows:
        counts = rows.job_lists.state_counts(EVERY_TENANT)
        (backlog,) = rows.job_lists.backlogs(EVERY_TENANT)
        (own,) = rows.job_lists.backlogs("bob")
    assert [(c.queue, c.state, c.jobs) for c in counts] == [
        ("a100", "queued", 3),
        ("h100", "succeeded", 1),
    ]
    assert (backlog.queue, backlog.jobs, own.jobs) == ("a100", 3, 1)
    assert 0 < own.oldest_wait_s <= backlog.oldest_wait_s < 60
