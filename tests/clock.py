"""Time that passes when a test says so: no test sleeps for an expiry, or races one under load."""

from sqlalchemy import update

from jobs.clock import Moment, later
from jobs.database import Database
from jobs.tables import Table


def pass_time(database: Database, seconds: float) -> None:
    """Move every moment in the database so far into the past."""
    with database._engine.begin() as connection:
        for table in Table.metadata.sorted_tables:
            moments = [column for column in table.columns if isinstance(column.type, Moment)]
            if moments:
                earlier = {column.name: later(column, -seconds) for column in moments}
                connection.execute(update(table).values(earlier))
