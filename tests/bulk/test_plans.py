"""What is asked of a large batch again and again stays at its index."""

import re

from sqlalchemy import insert, text

from jobs.api_key import EVERY_TENANT
from jobs.batch import LINE_STATES
from jobs.bulk_tables import BatchLineRow
from jobs.database import open_engine
from tests.bulk.world import BulkWorld
from tests.jobs.test_database import explain_all


def test_frequent_queries_stay_at_their_index(world: BulkWorld) -> None:
    batch = world.create(objects=(world.url("a.mp4"),))
    others = [world.create(objects=(world.url("b.mp4"),)) for _ in range(20)]
    world.keeper().look_after_all()
    rows = [
        {
            "batch_id": each.id,
            "number": number,
            "state": LINE_STATES[number % len(LINE_STATES)],
            "input_url": f"s3://films/in/{number}.mp4",
            "output_url": f"s3://films/out/{number}.mp4",
        }
        for each in (batch, *others)
        for number in range(2, 1000)
    ]
    engine = open_engine(world.database_url)
    with engine.begin() as connection:
        connection.execute(insert(BatchLineRow), rows)
        connection.execute(text("ANALYZE"))
    engine.dispose()
    world.make_due_batches()
    plans = explain_all(world, "batch")
    with world.database.transaction() as work:
        taken = work.batch_work.take()
        assert taken is not None
        found, lease = taken
        work.batch_feed.active_count(lease)
        work.batch_feed.next_lines(lease, 32)
        work.batch_feed.live_jobs(lease)
        work.batch_feed.skip_own_outputs(lease)
        work.batch_figures.first_output(found)
        work.batches.counts(found)
        work.batches.lines(found, after=500, limit=100)
        work.batches.page(EVERY_TENANT)
    assert len(plans) >= 9
    # In the words of Postgres, then of SQLite.
    scans = re.findall(r"Seq Scan on batch_lines|SCAN batch_lines(?! USING)", " ".join(plans))
    assert scans == []
