"""Batches and watched prefixes in the dashboard, also where everything has a hostile name."""

from dataclasses import replace

from sqlalchemy import insert

from jobs.batch import Batch, BatchRequest
from jobs.bulk_tables import BatchLineRow
from jobs.clock import now
from jobs.database import open_engine
from jobs.job import Reason
from jobs.watch import Watch
from jobs.watch_tables import S3EventRow
from tests.admin.browser import Browser
from tests.admin.test_pages import HOSTILE, assert_harmless
from tests.api.world import FILMS, Tenant, World

PREFIX = "s3://films/"


def add_batch(world: World, alice: Tenant) -> Batch:
    with world.database.transaction() as rows:
        request = BatchRequest(prefix=PREFIX, name=HOSTILE)
        batch = rows.batches.create(alice.actor, request).batch
    engine = open_engine(world.settings.database)
    with engine.begin() as connection:
        for number, state in enumerate(("waiting", "failed", "refused"), 1):
            connection.execute(
                insert(BatchLineRow).values(
                    batch_id=batch.id,
                    number=number,
                    state=state,
                    input_url=f"{PREFIX}{HOSTILE}",
                    output_url=f"{PREFIX}{HOSTILE}",
                    reason_code="odd",
                    reason_message=HOSTILE,
                )
            )
    engine.dispose()
    return batch


def add_watch(world: World, alice: Tenant) -> Watch:
    limits = replace(FILMS, output_prefixes=FILMS.input_prefixes)
    with world.database.transaction() as rows:
        actor = replace(alice.actor, limits=limits)
        watch = rows.watches.add(actor, f"{PREFIX}inbox/", name=HOSTILE, suffixes=[".mp4"]).watch
        rows.watches.note_error(watch.id, HOSTILE)
        rows.s3_events.park("queue", "message", HOSTILE, Reason("odd", HOSTILE), 3)
    engine = open_engine(world.settings.database)
    with engine.begin() as connection:
        connection.execute(
            insert(S3EventRow).values(
                id="evt_1",
                watch_id=watch.id,
                tenant="alice",
                kind="created",
                bucket="films",
                key=f"inbox/{HOSTILE}",
                fold="x",
                source="sqs",
                state="refused",
                reason_code="odd",
                reason_message=HOSTILE,
                received=1,
                received_at=now(),
                updated_at=now(),
            )
        )
    engine.dispose()
    return watch


def test_a_batch_is_shown_and_steered(world: World, admin: Browser, alice: Tenant) -> None:
    batch = add_batch(world, alice)
    here = f"/batches/{batch.id}"
    for path in ("/batches", here, f"{here}/live", f"{here}?state=failed", f"{here}/cancel"):
        page = admin.get(path)
        assert page.status == 200, page.text
        assert_harmless(page, path)
    assert "66.7 %" in admin.get(here).text
    assert admin.get(f"{here}?state=failed").text.count("odd") == 1
    admin.press(here, "/pause")
    with world.database.reading() as rows:
        assert rows.batches.get("*", batch.id).is_paused
    admin.press(here, "/resume")
    asked = admin.get(f"{here}/cancel")
    assert "1 of 3 lines" in asked.text
    admin.send(asked, "/cancel")
    with world.database.reading() as rows:
        found = rows.batches.get("*", batch.id)
        history = [e.action for e in rows.audit_log.page("*", subject=batch.id).entries]
    assert (found.is_paused, found.is_cancel_requested) == (False, True)
    assert history == ["batch.canceled", "batch.resumed", "batch.paused", "batch.created"]
    report = admin.http.get(f"/admin{here}/report?form=csv")
    assert report.headers["content-type"].startswith("text/csv")
    assert "attachment" in report.headers["content-disposition"]


def test_a_watch_is_shown_and_steered(world: World, admin: Browser, alice: Tenant) -> None:
    watch = add_watch(world, alice)
    here = f"/watches/{watch.id}"
    for path in ("/watches", here, f"{here}/remove"):
        page = admin.get(path)
        assert page.status == 200, page.text
        assert_harmless(page, path)
        assert "<script>alert(1)</script>" in page.text
    assert "Messages that could not be read" in admin.get("/watches").text
    admin.press(here, "/pause")
    with world.database.reading() as rows:
        assert rows.watches.get("*", watch.id).paused_at is not None
    admin.press(here, "/resume")
    with world.database.reading() as rows:
        found = rows.watches.get("*", watch.id)
    assert found.paused_at is None
    assert found.limits == watch.limits, "an operator lifts nobody's limits"
    admin.press(here, "/list")
    admin.press(f"{here}/remove", "/remove")
    assert admin.get(here).status == 404
    with world.database.reading() as rows:
        history = [e.action for e in rows.audit_log.page("*", subject=watch.id).entries]
    assert history == [
        "watch.removed", "watch.listed", "watch.resumed", "watch.paused", "watch.added",
    ]  # fmt: skip


def test_none_of_them_says_what_to_do(embedded_admin: Browser) -> None:
    assert "flashvsr bulk submit" in embedded_admin.get("/batches").text
    assert "flashvsr watch add" in embedded_admin.get("/watches").text
