"""Connections: refused, cut, restarted; plans; the clock."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection, event, select
from sqlalchemy.dialects import sqlite

from jobs.api_key import EVERY_TENANT, Actor
from jobs.clock import Moment, later, now
from jobs.database import Database, open_engine
from jobs.errors import DatabaseUnavailableError, SettingsError
from jobs.repository.job_lists import JobFilter, JobPage
from migrations import migrate
from tests.jobs.conftest import World
from tests.jobs.steps import claim, film, make_actor, multiply, read, submit, succeed, try_claim
from tests.servers.faulty_proxy import FaultyProxy
from tests.servers.postgres import PostgresServer


def test_the_clock_counts_fractions_and_adds_them(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        at, soon, before = connection.execute(
            select(now(), later(now(), 0.25), later(later(now(), -86400.5), 86400))
        ).one()
        is_before = connection.execute(select(now() < later(now(), 0.002))).scalar_one()
    engine.dispose()
    assert abs((datetime.now(UTC) - at).total_seconds()) < 5
    assert (soon - at).total_seconds() == pytest.approx(0.25, abs=0.002)
    assert (before - at).total_seconds() == pytest.approx(-0.5, abs=0.002)
    assert is_before


def test_moments_need_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Moment().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())


def test_ping(database: Database) -> None:
    database.ping()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/x", "nonsense"])
def test_other_urls_are_explained(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Database(url)


def test_a_missing_server_is_said_without_the_password() -> None:
    database = Database("postgresql://user:hunter2@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailableError) as failure:
        database.ping()
    assert "hunter2" not in str(failure.value)
    assert failure.value.is_temporary


def test_reading_does_not_wait_for_a_writer(database: Database, alice: Actor) -> None:
    with database.transaction() as rows:
        rows.jobs.submit(alice, film())
        with database.reading() as other:
            assert other.job_lists.page("alice").jobs == ()


def test_a_database_without_tables_is_said(tmp_path: Path, postgres: PostgresServer) -> None:
    for url in (f"sqlite:///{tmp_path / 'bare.db'}", postgres.url(postgres.new_database())):
        database = Database(url)
        with pytest.raises(SettingsError, match="lacks tables"):
            try_claim(database)
        database.close()


class TestPostgres:
    """What only a server can do: go away."""

    @pytest.fixture
    def name(self, postgres: PostgresServer) -> str:
        name = postgres.new_database()
        migrate(postgres.url(name))
        return name

    def test_a_restart_mid_job_costs_nothing(self, postgres: PostgresServer, name: str) -> None:
        database = Database(postgres.url(name))
        alice = make_actor(database, "alice")
        job = submit(database, alice)
        lease = claim(database).lease

        def beat_meanwhile() -> None:
            with database.transaction() as rows:
                rows.claims.heartbeat(lease)
                postgres.restart()

        with pytest.raises(DatabaseUnavailableError):
            beat_meanwhile()
        with database.transaction() as rows:
            rows.claims.heartbeat(lease)
        assert succeed(database, lease).state == "succeeded"
        assert read(database, job.id).attempt == 1
        database.close()

    def test_a_finish_whose_commit_was_cut_can_be_repeated(
        self, postgres: PostgresServer, name: str
    ) -> None:
        direct = Database(postgres.url(name))
        job = submit(direct, make_actor(direct, "alice"))
        lease = claim(direct).lease
        with FaultyProxy(postgres.port) as network:
            cut = Database(postgres.url(name, network.port))

            def lose_the_answer(connection: object) -> None:
                # The commit's request passes, its answer does not.
                network.refuse_after(13)

            event.listen(cut._engine, "commit", lose_the_answer)
            with pytest.raises(DatabaseUnavailableError):
                succeed(cut, lease)
            cut.close()
        done = read(direct, job.id)
        assert done.state == "succeeded", "this is the case that the test is about"
        assert succeed(direct, lease) == done
        direct.close()


def test_frequent_queries_stay_at_their_index_however_many_jobs_there_are(
    world: World, alice: Actor
) -> None:
    job = submit(world.database, alice)
    states = ("queued", "succeeded", "failed", "canceled", "expired")
    tenants = ("alice", *["bob"] * 98)
    multiply(world.database_url, job.id, 20_000, state=states, tenant=tenants)
    plans = explain_all(world)
    claim(world.database)
    submit(world.database, alice)
    page(world.database, "alice", JobFilter(states=("failed",)))
    page(world.database, "alice", JobFilter())
    page(world.database, EVERY_TENANT, JobFilter(states=("failed",)))
    assert "ix_jobs_next" in plans[0]
    # In the words of Postgres, then of SQLite.
    assert not re.search(r"\bSort\b|TEMP B-TREE", " ".join(plans))
    with world.database.transaction() as rows:
        rows.sweeps.free_expired_leases()
        rows.sweeps.expire_results()
        rows.sweeps.waiting_queues()
    assert len(plans) >= 10
    assert not re.search(r"Seq Scan on jobs|SCAN jobs(?! USING)", " ".join(plans))


class Explained(Protocol):
    """A database and where it is."""

    database_url: str
    database: Database


def explain_all(world: Explained, table: str = "jobs") -> list[str]:
    """Collect the plans of all statements about a table from now on."""
    plans: list[str] = []
    kind = "EXPLAIN QUERY PLAN" if world.database_url.startswith("sqlite") else "EXPLAIN"

    def explain(
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: Any,
        context: object,
        executemany: bool,
    ) -> None:
        if table in statement and not statement.startswith(("EXPLAIN", "INSERT")):
            rows = connection.exec_driver_sql(f"{kind} {statement}", parameters)
            plans.append(str(rows.all()))

    event.listen(world.database._engine, "before_cursor_execute", explain)
    event.listen(world.database._reading_engine, "before_cursor_execute", explain)
    return plans


def page(database: Database, tenant: str, job_filter: JobFilter) -> JobPage:
    with database.reading() as rows:
        return rows.job_lists.page(tenant, job_filter)
