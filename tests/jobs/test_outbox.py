"""What is owed is delivered, also when whoever delivers it dies or fails."""

import time

from jobs.api_key import Actor
from jobs.database import Database
from jobs.repository.outbox import Delivery
from tests.jobs.conftest import QUICK
from tests.jobs.steps import claim, submit, take, try_claim, wait_until


def owe_webhook(database: Database, actor: Actor) -> str:
    job = submit(database, actor, webhook_url="https://example.org/hook")
    with database.transaction() as rows:
        rows.jobs.cancel(actor, job.id)
    return job.id


def take_one(database: Database) -> Delivery:
    found: list[Delivery] = []

    def came() -> bool:
        found.extend(take(database, "webhook"))
        return bool(found)

    wait_until(came)
    (delivery,) = found
    return delivery


def test_a_delivery_is_taken_by_one_and_then_settled(quick: Database, alice: Actor) -> None:
    job_id = owe_webhook(quick, alice)
    (delivery,) = take(quick, "webhook")
    assert (delivery.job_id, delivery.tries) == (job_id, 0)
    assert delivery.webhook_secret is not None
    assert delivery.webhook_secret.startswith("whsec_")
    assert take(quick, "webhook") == []
    with quick.transaction() as rows:
        assert rows.outbox.delivered(delivery)
    time.sleep(QUICK.delivery_lease_s)
    assert take(quick, "webhook") == []


def test_whoever_dies_leaves_it_to_the_next(quick: Database, alice: Actor) -> None:
    owe_webhook(quick, alice)
    lost = take_one(quick)
    again = take_one(quick)
    assert (again.id, again.payload) == (lost.id, lost.payload)
    with quick.transaction() as rows:
        assert not rows.outbox.delivered(lost), "it belongs to somebody else now"
        assert not rows.outbox.undelivered(lost, "too late")
        assert rows.outbox.delivered(again)


def test_webhooks_are_given_up_after_some_tries(quick: Database, alice: Actor) -> None:
    owe_webhook(quick, alice)
    for number in range(QUICK.webhook_tries):
        delivery = take_one(quick)
        assert delivery.tries == number
        with quick.transaction() as rows:
            is_dead = rows.outbox.undelivered(delivery, "HTTP 500")
        assert take(quick, "webhook") == [], "it waits before the next try"
    assert is_dead
    time.sleep(QUICK.backoff_max_s)
    assert take(quick, "webhook") == []


def test_bells_and_removals_are_never_given_up(quick: Database, alice: Actor) -> None:
    job = submit(quick, alice)
    with quick.transaction() as rows:
        rows.jobs.delete(alice, job.id)
    for _ in range(QUICK.webhook_tries + 1):
        found: list[Delivery] = []
        wait_until(lambda found=found: found.extend(take(quick, "removal")) or found)  # type: ignore[misc]
        with quick.transaction() as rows:
            assert not rows.outbox.undelivered(found[0], "the store is down")
    wait_until(lambda: take(quick, "bell"))


def test_doubled_and_lost_bells_change_nothing(quick: Database, alice: Actor) -> None:
    submit(quick, alice)
    # Two workers hear the same bell; one finds the job, the other one nothing.
    claim(quick, "w1")
    assert try_claim(quick, "w2") is None
    # Nobody hears the next one; the sweeper sees from the rows that it should ring.
    submit(quick, alice)
    with quick.reading() as rows:
        assert rows.sweeps.waiting_queues() == ["a100"]
