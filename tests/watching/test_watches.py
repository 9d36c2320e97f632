"""Watches by themselves: what can be watched, and by whom it is seen."""

from dataclasses import replace
from typing import Any

import pytest

from jobs.api_key import KeyLimits
from jobs.batch import BatchRequest
from jobs.errors import JobsError, RequestInvalidError, WatchLoopError, WatchNotFoundError
from jobs.placement import Output
from tests.watching.world import World


def test_an_output_inside_the_watched_prefix_is_refused(world: World) -> None:
    for template in ("in/{stem}.mp4", "{prefix}/{stem}_x4.mp4", "in/out/{stem}.mp4"):
        with pytest.raises(WatchLoopError, match="enlarged again"):
            world.add("in/", template=template)
    with world.database.reading() as rows:
        assert rows.watches.page("alice").watches == ()
    world.add("in/", template="out/{path}/{stem}.mp4")


def test_loops_over_two_watches_are_refused_from_both_sides(world: World) -> None:
    world.add("a/", template="b/{stem}.mp4")
    with pytest.raises(WatchLoopError, match="Results of the watch wat_"):
        world.add("b/", template="c/{stem}.mp4")
    with pytest.raises(WatchLoopError, match="choose another output template"):
        world.add("c/", template="a/{stem}.mp4")
    bob = world.new_actor("bob")
    with pytest.raises(WatchLoopError, match="Results of another watch"):
        world.add("b/", template="c/{stem}.mp4", actor=bob)


def test_a_prefix_that_a_running_batch_writes_to_cannot_be_watched(world: World) -> None:
    request = BatchRequest(
        prefix=f"s3://{world.bucket}/archive/", output=Output("in/{path}/{stem}.{container}")
    )
    with world.database.transaction() as rows:
        batch = rows.batches.create(world.actor, request).batch
    with pytest.raises(WatchLoopError, match="Results of a batch that runs"):
        world.add("in/")
    with world.database.transaction() as rows:
        rows.batches.cancel(world.actor, batch.id)
    world.add("elsewhere/")


def test_outputs_of_others_can_be_held_against_all_watches(world: World) -> None:
    world.add("in/")
    with world.database.reading() as rows:
        rows.watches.check_output(Output("out/{stem}.mp4"), world.bucket, "archive/")
        with pytest.raises(WatchLoopError):
            rows.watches.check_output(Output("in/{stem}.mp4"), world.bucket, "archive/")
        with pytest.raises(WatchLoopError):
            rows.watches.check_output(Output("{prefix}/{stem}.mp4"), world.bucket, "")


def test_a_loop_that_slipped_through_ends_at_the_object(world: World) -> None:
    watch = world.add("a/", template="b/{stem}.mp4")
    # As if it had been added at the same moment, by somebody who did not see the first one.
    with world.database.transaction() as rows:
        rows.watches.remove(world.actor, watch.id)
    second = world.add("b/", template="c/{stem}.mp4")
    stale = replace(watch, id=second.id, prefix="b/", output=Output("b/x/{stem}.mp4"))
    found = world.intake.take(world.drop("b/a.mp4"), "sqs")
    assert found[0].state == "submitted"
    with world.database.transaction() as rows:
        reason = rows.watched_objects._reason_to_refuse(stale, "b/a.mp4", _found(), 100)
    assert reason is not None
    assert reason.code == "watch_loop"


def _found() -> Any:
    from jobs.watch import ObjectNow

    return ObjectNow("abc", None, 5)


@pytest.mark.parametrize(
    ("url", "changes", "sentence"),
    [
        ("https://x/in/", {}, "is no prefix"),
        ("s3://", {}, "is no prefix"),
        ("s3://bucket", {}, "is no prefix"),
        ("s3://{bucket}/in/", {"suffixes": ["a/b"]}, "no ending"),
        ("s3://{bucket}/in/", {"suffixes": [""]}, "no ending"),
        ("s3://{bucket}/in/", {"choices": {"scale": -1}}, "above 0"),
        ("s3://{bucket}/in/", {"output": Output("out/{batch}.mp4")}, "neither {batch}"),
        ("s3://{bucket}/in/", {"output": Output("out/{stem}.mov")}, "does not end with .mp4"),
        ("s3://{bucket}/../", {}, "as a step"),
        ("s3://of-others/in/", {}, "may not read"),
        ("s3://{bucket}/in/", {"output": Output("s3://of-others/{stem}.mp4")}, "may not write"),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    embedded: World, url: str, changes: dict[str, Any], sentence: str
) -> None:
    output = changes.pop("output", Output("out/{stem}.mp4"))
    where = url.replace("{bucket}", embedded.bucket)
    with (
        embedded.database.transaction() as rows,
        pytest.raises(RequestInvalidError, match=sentence),
    ):
        rows.watches.add(embedded.actor, where, output=output, **changes)


def test_others_see_and_change_nothing(world: World) -> None:
    watch, bob = world.add(), world.new_actor("bob")
    with world.database.reading() as rows:
        assert rows.watches.page("bob").watches == ()
        assert rows.s3_events.page("bob", watch.id).events == ()
        with pytest.raises(WatchNotFoundError):
            rows.watches.counts("bob", watch.id)
    for act in ("pause", "resume", "list_now", "remove"):
        with pytest.raises(WatchNotFoundError), world.database.transaction() as rows:
            getattr(rows.watches, act)(bob, watch.id)
    assert world.watch(watch) == watch


def test_a_watch_is_resumed_within_the_limits_of_the_key_that_asks(world: World) -> None:
    watch = world.add()
    weak = replace(world.actor, limits=KeyLimits(input_prefixes=(f"s3://{world.bucket}/",)))
    with pytest.raises(JobsError, match="may not write"), world.database.transaction() as rows:
        rows.watches.resume(weak, watch.id)


def test_counts(world: World) -> None:
    watch = world.add()
    for number, body in enumerate((b"1", b"2", b"")):
        world.intake.take(world.drop(f"in/{number}.mp4", body), "sqs")
    world.intake.take(world.delete("in/0.mp4"), "sqs")
    world.fail(world.jobs()[0].id)
    with world.database.reading() as rows:
        counts = rows.watches.counts("alice", watch.id)
    assert (counts.submitted, counts.refused, counts.gone, counts.ignored) == (1, 1, 1, 0)
    assert counts.jobs == {"queued": 1, "canceled": 1}


def test_what_a_watch_knew_goes_with_it_and_its_jobs_stay(world: World) -> None:
    watch = world.add()
    world.intake.take(world.drop("in/a.mp4"), "sqs")
    with world.database.transaction() as rows:
        rows.watches.remove(world.actor, watch.id)
    assert world.inputs() == ["in/a.mp4"]
    assert world.events(watch) == []
    assert world.intake.take(world.drop("in/b.mp4"), "sqs") == []


def test_a_secret_finds_its_watch(world: World) -> None:
    new, _ = world.add_new("a/"), world.add_new("b/")
    with world.database.reading() as rows:
        assert rows.watches.of_secret(new.secret) == new.watch
        assert rows.watches.of_secret("fves_wrong") is None
    assert new.secret not in repr(new)
