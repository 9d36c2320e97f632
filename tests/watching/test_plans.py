"""Queries about watches stay at their indexes, however many objects and events there are."""

import re
from typing import Any

from sqlalchemy import Connection, event, text

from tests.watching.world import World

MANY = 50_000

_NUMBERS = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :many)
"""
_OBJECTS = """
INSERT INTO watched_objects (watch_id, key, revision, etag, state, updated_at)
SELECT :watch, 'in/' || n || '.mp4', 1, 'abc', 'submitted', :at FROM numbers
"""
_EVENTS = """
INSERT INTO s3_events (id, watch_id, tenant, fold, kind, bucket, key, source, state, received,
    received_at, updated_at)
SELECT 'evt_' || n, :watch, 'alice', 'fold ' || n, 'created', 'b', 'in/' || n || '.mp4', 'sqs',
    'submitted', 1, :at, :at FROM numbers
"""


def fill(world: World, watch_id: str) -> None:
    values = {"many": MANY, "watch": watch_id, "at": "2026-01-01 00:00:00.000000"}
    with world.database._engine.begin() as connection:
        for insertion in (_OBJECTS, _EVENTS):
            head, _, tail = insertion.partition("\nSELECT")
            if connection.dialect.name == "sqlite":
                statement = f"{_NUMBERS}{head}\nSELECT{tail}"
            else:
                # SQLite wants the WITH first, Postgres the INSERT; both take what is left.
                statement = f"{head}\n{_NUMBERS}\nSELECT{tail}".replace(
                    ":at", "CAST(:at AS timestamptz)"
                )
            connection.execute(text(statement), values)
        connection.execute(text("ANALYZE"))


def explain_all(world: World) -> list[str]:
    """Collect the plans of all statements about objects and events from now on."""
    plans: list[str] = []

    def explain(
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: Any,
        context: object,
        executemany: bool,
    ) -> None:
        is_theirs = "watched_objects" in statement or "s3_events" in statement
        if is_theirs and not statement.startswith(("EXPLAIN", "INSERT")):
            kind = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{kind} {statement}", parameters)
            plans.append(str(rows.all()))

    for engine in (world.database._engine, world.database._reading_engine):
        event.listen(engine, "before_cursor_execute", explain)
    return plans


def test_fifty_thousand_objects(world: World) -> None:
    watch = world.add()
    fill(world, watch.id)
    plans = explain_all(world)
    world.intake.take(world.drop("in/new.mp4"), "sqs")
    world.intake.take(world.drop("in/500.mp4"), "sqs")
    with world.database.reading() as rows:
        known = rows.watched_objects.known(watch.id, [f"in/{n}.mp4" for n in range(1, 1001)])
        assert len(known) == 1000
        assert rows.s3_events.latest(watch.id) is not None
        page = rows.s3_events.page("alice", watch.id, limit=50)
        assert page.next_cursor is not None
        rows.s3_events.page("alice", watch.id, limit=50, cursor=page.next_cursor)
    assert len(plans) >= 8
    told = " ".join(plans)
    assert not re.search(r"Seq Scan on (watched_objects|s3_events)", told), told
    assert not re.search(r"SCAN (watched_objects|s3_events)(?! USING)", told), told
    assert not re.search(r"\bSort\b|TEMP B-TREE", told), told
