"""Runs the revisions; Alembic loads this file by its path."""

from alembic import context
from sqlalchemy import Connection, text

from jobs.database import open_engine
from jobs.settings import read_settings
from jobs.tables import Table

# Any number will do, as long as nobody else in the database locks it.
_LOCK = 0x666C617368767372


def wait_for_others(connection: Connection) -> None:
    """Let one process migrate at a time; on SQLite every transaction of ours does that already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '120s'; SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def run() -> None:
    """Run the revisions in one transaction, so that a failing one leaves everything as it was."""
    database_url = context.config.attributes.get("database_url") or read_settings().database
    engine = open_engine(database_url)
    try:
        with engine.connect() as connection, connection.begin():
            wait_for_others(connection)
            context.configure(
                connection=connection, target_metadata=Table.metadata, render_as_batch=True
            )
            context.run_migrations()
    finally:
        engine.dispose()


run()
