"""Which job a worker gets."""

import pytest

from jobs.api_key import OPERATOR, Actor
from jobs.database import Database
from tests.jobs.steps import claim, read, submit, succeed, try_claim


def names_in_order(database: Database, n: int) -> list[str | None]:
    """Run so many jobs one after the other."""
    names = []
    for _ in range(n):
        found = claim(database)
        names.append(found.job.request.name)
        succeed(database, found.lease)
    return names


def test_a_claim_runs_the_job_under_a_lease(database: Database, alice: Actor) -> None:
    job = submit(database, alice)
    found = claim(database, "gpu-7:0")
    assert found.job == read(database, job.id)
    assert (found.job.state, found.job.attempt, found.job.worker_id) == ("running", 1, "gpu-7:0")
    assert found.lease.object_prefix == f"results/{job.id}/1/"
    assert try_claim(database) is None


def test_priority_comes_before_age(database: Database, alice: Actor) -> None:
    for name, priority in (("low", -5), ("first", 0), ("second", 0), ("high", 5)):
        submit(database, alice, name, priority=priority)
    assert names_in_order(database, 4) == ["high", "first", "second", "low"]


def test_tenants_take_turns(database: Database, alice: Actor, bob: Actor) -> None:
    for number in range(4):
        submit(database, alice, f"a{number}")
    assert names_in_order(database, 2) == ["a0", "a1"]
    for number in range(3):
        submit(database, bob, f"b{number}")
    assert names_in_order(database, 5) == ["a2", "b0", "a3", "b1", "b2"]


def test_a_newcomer_does_not_wait_for_somebody_elses_archive(
    database: Database, alice: Actor, bob: Actor
) -> None:
    for number in range(30):
        submit(database, alice, f"a{number}")
    claim(database, "busy")
    submit(database, bob, "b")
    assert "b" in names_in_order(database, 2)


def test_priority_orders_several_queues_too(database: Database, alice: Actor) -> None:
    with database.transaction() as rows:
        rows.workers.register("w1", ["a100", "h100"])
    submit(database, alice, "plain", queue="a100")
    submit(database, alice, "urgent", queue="h100", priority=9)
    both = ("a100", "h100")
    assert claim(database, queues=both).job.request.name == "urgent"
    assert claim(database, queues=both).job.request.name == "plain"
    assert try_claim(database, queues=both) is None


def test_workers_get_only_what_they_serve(database: Database, alice: Actor) -> None:
    with database.transaction() as rows:
        rows.workers.register("w2", ["h100"])
    submit(database, alice, "mine", queue="h100")
    submit(database, alice, "full", pipeline="full")
    assert try_claim(database, queues=()) is None
    with database.transaction() as rows:
        assert rows.claims.claim("w1", ["a100"], ["tiny"]) is None
    assert claim(database, queues=("h100",)).job.request.name == "mine"
    with database.transaction() as rows:
        found = rows.claims.claim("w1", ["a100"], ["full"])
    assert found is not None
    assert found.job.request.name == "full"


def test_a_paused_queue_gives_nothing_until_it_is_resumed(database: Database, alice: Actor) -> None:
    submit(database, alice)
    with database.transaction() as rows:
        rows.queues.pause(OPERATOR, "a100")
    assert try_claim(database) is None
    with database.reading() as rows:
        assert rows.sweeps.waiting_queues() == []
    with database.transaction() as rows:
        rows.queues.resume(OPERATOR, "a100")
    with database.reading() as rows:
        assert rows.sweeps.waiting_queues() == ["a100"]
    claim(database)


@pytest.mark.parametrize("wanted", ["drain", "stop"])
def test_a_leaving_worker_finishes_and_gets_nothing_new(
    database: Database, alice: Actor, wanted: str
) -> None:
    submit(database, alice, "first")
    submit(database, alice, "second")
    with database.transaction() as rows:
        rows.workers.register("w1", ["a100"])
    lease = claim(database, "w1").lease
    with database.transaction() as rows:
        rows.workers.want(OPERATOR, "w1", wanted)  # type: ignore[arg-type]
    with database.transaction() as rows:
        assert rows.claims.heartbeat(lease).wanted == wanted
    succeed(database, lease)
    assert try_claim(database, "w1") is None
    with database.transaction() as rows:
        rows.workers.want(OPERATOR, "w1", "run")
    claim(database, "w1")


def test_workers_are_listed_with_what_they_do(database: Database, alice: Actor) -> None:
    with database.transaction() as rows:
        rows.workers.register("w1", ["a100"], {"gpu": "A100"})
        rows.workers.register("w2", ["a100"])
    job = submit(database, alice)
    claim(database, "w1")
    with database.transaction() as rows:
        assert rows.workers.report("w2", {"gpu": "H100"}) == "run"
        rows.workers.leave("nobody")
    with database.reading() as rows:
        listed = rows.workers.list()
    assert [(w.id, w.job_id, w.facts) for w in listed] == [
        ("w1", job.id, {"gpu": "A100"}),
        ("w2", None, {"gpu": "H100"}),
    ]
