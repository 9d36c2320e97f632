"""The database's clock, which is the only one whose times are compared.

Moments are `timestamptz` on Postgres and UTC text with fixed width on SQLite, which sorts as time
does; SQLite's clock counts milliseconds.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Float, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_SQLITE_FORMAT = "'%Y-%m-%d %H:%M:%f000'"


class Moment(TypeDecorator[datetime]):
    """A point in time; aware in Python, always."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Take aware datetimes only: a naive one would be read in some zone or other."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; give an aware datetime.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Now(FunctionElement[datetime]):
    inherit_cache = True
    type = Moment()


class _Later(FunctionElement[datetime]):
    inherit_cache = True
    type = Moment()


def now() -> ColumnElement[datetime]:
    """Ask for the database's time at the start of the statement."""
    return _Now()


def later(moment: ColumnElement[datetime], seconds: float) -> ColumnElement[datetime]:
    """Ask for the moment so many seconds, or fractions of one, after another."""
    return _Later(moment, bindparam(None, float(seconds), Float, unique=True))


# Not clock_timestamp(): it may change from row to row, so that no index can be used with it.
@compiles(_Now, "postgresql")
def _now_on_postgres(element: _Now, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return "statement_timestamp()"


@compiles(_Now, "sqlite")
def _now_on_sqlite(element: _Now, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    return f"strftime({_SQLITE_FORMAT}, 'now')"


@compiles(_Later, "postgresql")
def _later_on_postgres(element: _Later, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    moment, seconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({moment} + make_interval(secs => CAST({seconds} AS double precision)))"


@compiles(_Later, "sqlite")
def _later_on_sqlite(element: _Later, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    moment, seconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"strftime({_SQLITE_FORMAT}, {moment}, printf('%+.3f seconds', {seconds}))"
