"""Listing finds what no event told of, goes on where it stopped, and redoes nothing."""

import threading
from typing import Any

import pytest

import worker.lister
from jobs.api_key import EVERY_TENANT
from jobs.errors import StorageUnavailableError
from jobs.placement import Place
from jobs.storage.buckets import BucketObject, Buckets
from tests.servers.s3 import REGION
from tests.watching.world import World
from worker.lister import Lister
from worker.settings import EventSettings


def list_again(world: World, lister: Lister | None = None) -> None:
    with world.database.reading() as rows:
        watches = rows.watches.page(EVERY_TENANT).watches
    with world.database.transaction() as rows:
        for watch in watches:
            rows.watches.list_now(world.actor, watch.id)
    found = lister or world.open_lister()
    while found.list_next():
        continue


def test_what_lay_there_is_run_once(world: World) -> None:
    for number in range(5):
        world.drop(f"in/{number}.mp4", str(number).encode())
    world.drop("elsewhere.mp4")
    watch = world.add()
    lister = world.open_lister()
    assert lister.list_next()
    assert not lister.list_next(), "the next time is not yet"
    assert world.inputs() == [f"in/{number}.mp4" for number in range(5)]
    list_again(world)
    assert len(world.jobs()) == 5
    shown = world.watch(watch)
    assert shown.listed_at is not None
    assert {event.source for event in world.events(watch)} == {"lister"}


def test_what_lay_there_can_be_left_alone(world: World) -> None:
    world.drop("in/old.mp4", b"old")
    watch = world.add(existing="ignore")
    list_again(world)
    assert world.jobs() == []
    assert world.event(watch, "in/old.mp4").state == "ignored"
    world.drop("in/new.mp4", b"new")
    world.drop("in/old.mp4", b"overwritten")
    list_again(world)
    assert world.inputs() == ["in/new.mp4", "in/old.mp4"]
    list_again(world)
    assert len(world.jobs()) == 2


def test_what_the_first_listing_meets_before_its_event_is_run_all_the_same(world: World) -> None:
    watch = world.add(existing="ignore")
    event = world.drop("in/dropped-at-once.mp4")
    list_again(world)
    assert world.event(watch, event.key).state == "ignored"
    assert world.intake.take(event, "sqs")[0].state == "submitted"
    assert world.inputs() == [event.key]


def test_lost_events_are_found_and_told_ones_are_not_done_again(world: World) -> None:
    watch = world.add()
    list_again(world)
    told, _ = world.drop("in/told.mp4", b"1"), world.drop("in/lost.mp4", b"2")
    world.intake.take(told, "sqs")
    list_again(world)
    assert world.inputs() == ["in/lost.mp4", "in/told.mp4"]
    assert world.event(watch, "in/lost.mp4").source == "lister"
    assert world.event(watch, "in/told.mp4").source == "sqs"
    late = world.drop("in/late.mp4", b"3")
    list_again(world)
    assert world.intake.take(late, "sqs")[0].state == "known", "its event came after the lister"
    assert len(world.jobs()) == 3


def test_overwritten_objects_are_noticed(world: World) -> None:
    world.add()
    world.drop("in/a.mp4", b"one")
    list_again(world)
    world.drop("in/a.mp4", b"two")
    list_again(world)
    etags = {job.request.input_etag for job in world.jobs()}
    assert len(etags) == 2


def test_failures_are_not_brought_back_for_ever(world: World) -> None:
    world.add()
    world.drop("in/a.mp4")
    list_again(world)
    world.fail(world.jobs()[0].id)
    list_again(world)
    assert len(world.jobs()) == 1


def test_objects_that_are_gone_and_there_again(world: World) -> None:
    world.add()
    world.drop("in/a.mp4")
    list_again(world)
    world.intake.take(world.delete("in/a.mp4"), "sqs")
    world.fail(world.jobs()[0].id)
    world.drop("in/a.mp4")
    list_again(world)
    assert len(world.jobs()) == 2, "the first try failed for want of the object"


def test_a_page_of_odd_keys(embedded: World) -> None:
    keys = ["in/a b.mp4", "in/a+b.mp4", "in/100%25.mp4", "in/ä/映画.mp4", "in/&<>\"'.mp4"]
    keys.append("in/" + "x" * 1005)
    for number, key in enumerate(keys):
        embedded.drop(key, str(number).encode())
    watch = embedded.add(template="out/{scale}.{container}")
    list_again(embedded)
    assert embedded.inputs() == sorted(keys)
    assert {event.key for event in embedded.events(watch)} == set(keys)


def test_who_takes_over_goes_on_from_the_last_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.lister, "PAGE", 3)
    for number in range(9):
        world.drop(f"in/{number}.mp4", str(number).encode())
    watch = world.add()
    asked: list[str] = []

    class Breaking(Buckets):
        def head(self, place: Place, version_id: str | None = None) -> BucketObject | None:
            asked.append(place.key)
            if len(asked) == 5:
                raise StorageUnavailableError("The store went away; try again.")
            return super().head(place, version_id)

    settings = EventSettings(events_at_once=1)
    buckets = Breaking(world.s3.endpoint(), REGION)
    lister = Lister(settings, world.database, world.buckets, world.open_intake(buckets))
    assert lister.list_next()
    assert world.watch(watch).last_error == "The store went away; try again."
    assert world.watch(watch).listed_at is None
    assert len(world.jobs()) == 5, "the rest of the page was looked at all the same"
    asked.clear()
    with world.database.transaction() as rows:
        listing = rows.watch_listings.take(60)
        assert listing is None, "it waits for the store"
        rows.watches.resume(world.actor, watch.id)
        listing = rows.watch_listings.take(60)
        assert listing is not None
        assert listing.after == "", "resumed means from the beginning"
        rows.watch_listings.fail(watch.id, listing.token, 0, None)
    assert lister.list_next()
    assert world.inputs() == [f"in/{number}.mp4" for number in range(9)]
    assert world.watch(watch).last_error is None
    assert asked == [f"in/{number}.mp4" for number in (4, 6, 7, 8)], "nothing is asked for twice"


def test_the_place_is_remembered_between_pages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.lister, "PAGE", 2)
    for number in range(6):
        world.drop(f"in/{number}.mp4", str(number).encode())
    watch = world.add()
    lister = world.open_lister()
    looked: list[str] = []
    intake: Any = world.intake
    look = intake.look

    def stop_at_the_third(watch: Any, key: str) -> object:
        looked.append(key)
        if len(looked) == 3:
            lister.stop()
        return look(watch, key)

    monkeypatch.setattr(intake, "look", stop_at_the_third)
    assert lister.list_next()
    with world.database.transaction() as rows:
        listing = rows.watch_listings.take(60)
        assert listing is not None, "a lister that stops gives the listing back"
        assert listing.after == "in/1.mp4"
        rows.watch_listings.fail(watch.id, listing.token, 0, None)
    assert world.open_lister().list_next()
    assert world.inputs() == [f"in/{number}.mp4" for number in range(6)]
    assert looked.count("in/0.mp4") == 1


def test_listers_do_not_do_the_same_work(farm: World) -> None:
    for number in range(30):
        farm.drop(f"in/{number}.mp4", str(number).encode())
    farm.add()
    farm.add("in/1", template="other/{stem}.{container}")
    listers = [farm.open_lister() for _ in range(4)]
    threads = [threading.Thread(target=lister.list_next) for lister in listers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(farm.jobs()) == 30 + 11


def test_a_lister_that_lost_its_lease_changes_nothing(world: World) -> None:
    watch = world.add()
    with world.database.transaction() as rows:
        old = rows.watch_listings.take(0.0)
        assert old is not None
    with world.database.transaction() as rows:
        new = rows.watch_listings.take(60)
        assert new is not None
        assert rows.watch_listings.go_on(old, "in/z", 60) is None
        rows.watch_listings.end(old, 60)
        assert rows.watch_listings.go_on(new, "in/a", 60) is not None
    assert world.watch(watch).listed_at is None
