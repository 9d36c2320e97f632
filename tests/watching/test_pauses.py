"""Watches that make no jobs for a while, and what becomes of what is dropped meanwhile."""

from dataclasses import replace

import pytest

from jobs.api_key import OPERATOR, KeyLimits
from jobs.errors import StorageDeniedError
from tests.watching.world import World


def test_a_paused_watch_makes_no_jobs(world: World) -> None:
    watch = world.add()
    with world.database.transaction() as rows:
        rows.watches.pause(world.actor, watch.id)
    event = world.drop("in/a.mp4")
    assert world.intake.take(event, "sqs")[0].state == "ignored"
    assert world.jobs() == []
    with world.database.transaction() as rows:
        rows.watches.resume(world.actor, watch.id)
    assert world.open_lister().list_next()
    assert world.inputs() == ["in/a.mp4"], "nothing is lost"


def test_a_revoked_key_makes_no_jobs(world: World) -> None:
    watch = world.add()
    assert world.actor.key_id is not None
    with world.database.transaction() as rows:
        rows.api_keys.revoke(OPERATOR, world.actor.key_id)
    event = world.drop("in/a.mp4")
    assert world.intake.take(event, "sqs")[0].state == "ignored"
    assert "revoked" in (world.watch(watch).last_error or "")
    lister = world.open_lister()
    lister.list_next()
    assert world.jobs() == []
    other = world.new_actor("alice")
    with world.database.transaction() as rows:
        rows.watches.resume(other, watch.id)
    assert lister.list_next()
    (job,) = world.jobs()
    assert world.watch(watch).key_id == other.key_id
    assert job.flow == watch.id


def test_a_bucket_that_may_not_be_read_is_said_at_the_watch(embedded: World) -> None:
    nowhere = ("s3://nowhere/",)
    limits = KeyLimits(input_prefixes=nowhere, output_prefixes=nowhere)
    with embedded.database.transaction() as rows:
        watch = rows.watches.add(replace(embedded.actor, limits=limits), "s3://nowhere/in/").watch
    assert embedded.open_lister().list_next()
    shown = embedded.watch(watch)
    assert "does not exist" in (shown.last_error or "")
    with pytest.raises(StorageDeniedError):
        embedded.buckets.list("nowhere", "").__next__()
