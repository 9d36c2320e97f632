"""The revisions, on both databases: up, down, up again, and equal to `jobs.tables`."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from jobs.database import Database, open_engine
from jobs.request import DEFAULT_QUEUE
from jobs.tables import Table
from migrations import current_revision, migrate
from migrations.migrate import alembic_config
from tests.patience import PATIENCE_S
from tests.servers.postgres import PostgresServer

NEWEST = ScriptDirectory.from_config(alembic_config("sqlite://")).get_current_head()


@pytest.fixture(params=["sqlite", "postgres"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bare.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.new_database())


def table_names(url: str) -> set[str]:
    engine = open_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_up_down_up(bare_url: str) -> None:
    migrate(bare_url)
    assert table_names(bare_url) == {*Table.metadata.tables, "alembic_version"}
    assert current_revision(bare_url) == NEWEST
    migrate(bare_url, "base")
    assert table_names(bare_url) == {"alembic_version"}
    assert current_revision(bare_url) is None
    migrate(bare_url, "0001")
    migrate(bare_url)
    assert current_revision(bare_url) == NEWEST


def test_default_queue_is_there(bare_url: str) -> None:
    migrate(bare_url)
    database = Database(bare_url)
    with database.reading() as rows:
        assert [queue.name for queue in rows.queues.list()] == [DEFAULT_QUEUE]
    database.close()


def test_revisions_lead_to_the_declared_tables(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Table.metadata) == []
        inspector = inspect(connection)
        for table in Table.metadata.tables.values():
            # Autogenerate does not look at these.
            found = {check["name"] for check in inspector.get_check_constraints(table.name)}
            assert found == {c.name for c in table.constraints if "ck_" in str(c.name)}
            partial = {
                index["name"]
                for index in inspector.get_indexes(table.name)
                if index.get("dialect_options", {}).get(f"{engine.dialect.name}_where") is not None
            }
            where = f"{engine.dialect.name}_where"
            assert partial == {
                i.name
                for i in table.indexes
                if i.dialect_options[engine.dialect.name]["where"] is not None
            }, where
    engine.dispose()


def test_processes_that_migrate_together_wait_for_one_another(bare_url: str) -> None:
    code = f"from migrations import migrate; migrate({bare_url!r})"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0]
    assert current_revision(bare_url) == NEWEST
