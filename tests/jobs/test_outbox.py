"""What is owed is delivered, also when whoever delivers it dies or fails."""

from jobs.api_key import Actor
from jobs.database import Database
from jobs.repository.outbox import Delivery
from tests.clock import pass_time
from tests.jobs.conftest import STRICT
from tests.jobs.steps import claim, submit, take, try_claim


def owe_webhook(database: Database, actor: Actor) -> str:
    job = submit(database, actor, webhook_url="https://example.org/hook")
    with database.transaction() as rows:
        rows.jobs.cancel(actor, job.id)
    return job.id


def take_one(database: Database) -> Delivery:
    (delivery,) = take(database, "webhook")
    return delivery


def test_a_delivery_is_taken_by_one_and_then_settled(strict: Database, alice: Actor) -> None:
    job_id = owe_webhook(strict, alice)
    (delivery,) = take(strict, "webhook")
    assert (delivery.job_id, delivery.tries) == (job_id, 0)
    assert delivery.webhook_secret is not None
    assert delivery.webhook_secret.startswith("whsec_")
    assert take(strict, "webhook") == []
    with strict.transaction() as rows:
        assert rows.outbox.delivered(delivery)
    pass_time(strict, STRICT.delivery_lease_s)
    assert take(strict, "webhook") == []


def test_whoever_dies_leaves_it_to_the_next(strict: Database, alice: Actor) -> None:
    owe_webhook(strict, alice)
    lost = take_one(strict)
    assert take(strict, "webhook") == []
    pass_time(strict, STRICT.delivery_lease_s)
    again = take_one(strict)
    assert (again.id, again.payload) == (lost.id, lost.payload)
    with strict.transaction() as rows:
        assert not rows.outbox.delivered(lost), "it belongs to somebody else now"
        assert not rows.outbox.undelivered(lost, "too late")
        assert rows.outbox.delivered(again)


def test_webhooks_are_given_up_after_some_tries(strict: Database, alice: Actor) -> None:
    owe_webhook(strict, alice)
    for number in range(STRICT.webhook_tries):
        delivery = take_one(strict)
        assert delivery.tries == number
        with strict.transaction() as rows:
            is_dead = rows.outbox.undelivered(delivery, "HTTP 500")
        assert take(strict, "webhook") == [], "it waits before the next try"
        pass_time(strict, STRICT.backoff_max_s)
    assert is_dead
    assert take(strict, "webhook") == []


def test_bells_and_removals_are_never_given_up(strict: Database, alice: Actor) -> None:
    job = submit(strict, alice)
    with strict.transaction() as rows:
        rows.jobs.delete(alice, job.id)
    for _ in range(STRICT.webhook_tries + 1):
        (removal,) = take(strict, "removal")
        with strict.transaction() as rows:
            assert not rows.outbox.undelivered(removal, "the store is down")
        pass_time(strict, strict.policy.backoff_max_s)
    assert take(strict, "bell")


def test_doubled_and_lost_bells_change_nothing(strict: Database, alice: Actor) -> None:
    submit(strict, alice)
    # Two workers hear the same bell; one finds the job, the other one nothing.
    claim(strict, "w1")
    assert try_claim(strict, "w2") is None
    # Nobody hears the next one; the sweeper sees from the rows that it should ring.
    submit(strict, alice)
    with strict.reading() as rows:
        assert rows.sweeps.waiting_queues() == ["a100"]
