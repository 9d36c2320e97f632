"""Samples: one set a minute whoever asks, added up for plots of three lengths."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from jobs.api_key import Actor
from jobs.database import Database, open_engine
from jobs.job import Progress, Reason
from tests.jobs.conftest import World
from tests.jobs.steps import claim, submit, succeed


def take(database: Database) -> bool:
    with database.transaction() as rows:
        return rows.samples.take()


def shift(world: World, statement: str) -> None:
    engine = open_engine(world.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def latest(database: Database, series: str, subject: str = "") -> float | None:
    with database.reading() as rows:
        lines = rows.samples.plot("hour", [series]).lines
    known = [value for value in lines.get((series, subject), []) if value is not None]
    return known[-1] if known else None


def earlier(world: World, minutes: int) -> str:
    """A moment so many minutes ago, in the words of the database."""
    if world.database_url.startswith("sqlite"):
        return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{minutes} minutes')"
    return f"now() - interval '{minutes} minutes'"


def test_what_runs_and_waits_is_measured(database: Database, alice: Actor) -> None:
    with database.transaction() as rows:
        facts = {"gpu_busy": 0.5, "gpu_memory_bytes": 100, "gpu_memory_free_bytes": 30}
        rows.workers.register("w1", ["a100"], facts)
        rows.workers.register("w2", ["a100"], {"gpu_busy": 0.7})
    for _ in range(3):
        submit(database, alice)
    lease = claim(database).lease
    with database.transaction() as rows:
        rows.claims.heartbeat(lease, Progress("enlarging", frames_per_s=12.5))
    assert take(database)
    assert latest(database, "waiting", "a100") == 2
    assert latest(database, "running") == 1
    assert latest(database, "workers") == 2
    assert latest(database, "frames_per_s") == latest(database, "frames_per_s", "w1") == 12.5
    assert latest(database, "gpu_busy", "w2") == 0.7
    assert abs((latest(database, "gpu_busy") or 0) - 0.6) < 1e-9
    assert latest(database, "gpu_memory_bytes", "w1") == 70
    assert latest(database, "gpu_memory_bytes", "w2") is None


def test_one_of_many_sweepers_measures(world: World, alice: Actor) -> None:
    submit(world.database, alice)
    with ThreadPoolExecutor(4) as pool:
        took = [*pool.map(lambda _: take(world.database), range(8))]
    # A minute may end in between.
    assert took.count(True) in (1, 2)
    assert latest(world.database, "waiting", "a100") == 1


def test_what_ended_is_counted_once_also_for_minutes_without_a_sweeper(
    world: World, alice: Actor
) -> None:
    database = world.database
    for _ in range(4):
        submit(database, alice)
    assert take(database)
    shift(world, f"UPDATE samples SET at = {earlier(world, 10)} WHERE series = 'taken'")
    for _ in range(3):
        succeed(database, claim(database).lease)
    lease = claim(database).lease
    with database.transaction() as rows:
        rows.claims.fail(lease, Reason("broken", "It broke."), is_retriable=False)
    shift(world, f"UPDATE jobs SET ended_at = {earlier(world, 5)}")
    assert take(database)
    for span in ("hour", "day", "week"):
        with database.reading() as rows:
            ended = rows.samples.ended(span)
        assert ended == {"succeeded": 3, "failed": 1, "canceled": 0}, span
    again = f"UPDATE samples SET at = {earlier(world, 1)} WHERE series = 'taken' AND at > "
    shift(world, f"{again} {earlier(world, 3)}")
    take(database)
    with database.reading() as rows:
        assert rows.samples.ended("hour")["succeeded"] == 3, "not again"


def test_plots_have_gaps_where_nothing_was_measured(database: Database) -> None:
    take(database)
    with database.reading() as rows:
        for span, points in (("hour", 60), ("day", 144), ("week", 168)):
            plot = rows.samples.plot(span, ["workers"])  # type: ignore[arg-type]
            line = plot.lines["workers", ""]
            assert len(plot.at) == len(line) == points
            assert line.count(None) == points - 1
            assert line[-1] == 0
            assert {b - a for a, b in zip(plot.at, plot.at[1:], strict=False)} == {plot.width_s}


def test_old_samples_are_forgotten(world: World) -> None:
    take(world.database)
    with world.database.transaction() as rows:
        assert rows.samples.forget_old() == 0
    shift(world, f"UPDATE samples SET at = {earlier(world, 60 * 24 * 36)}")
    with world.database.transaction() as rows:
        assert rows.samples.forget_old() > 0
    assert latest(world.database, "workers") is None
