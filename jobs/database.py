"""The database behind a URL, and the only place that commits.

An engine must not cross a fork: open the database in the process that uses it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from jobs.errors import DatabaseUnavailableError, SettingsError
from jobs.policy import Policy
from jobs.repository import Repository

# Short, so that a request fails with a clear answer rather than hang; a worker tries again.
_CONNECT_S = 5
_STATEMENT_S = 15
_LOCK_S = 10
_IDLE_IN_TRANSACTION_S = 30

# Every statement reads its rows anew and returns those that it changed, so the session's own
# bookkeeping of changed objects is not wanted.
_SESSION_OPTIONS = {"populate_existing": True, "synchronize_session": False}


class Database:
    """Rows, read and changed inside transactions only. Safe to share between threads."""

    def __init__(self, url: str, policy: Policy | None = None) -> None:
        """Prepare connections; none is made before the first transaction.

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host:port/name`.
            policy: leases, retries, retention; the defaults where it is None.

        Raises:
            SettingsError: the URL is of another kind.

        """
        self.policy = policy or Policy()
        self._engine = open_engine(url)
        self._reading_engine = self._engine.execution_options(
            sqlite_begin="BEGIN", postgresql_readonly=True
        )

    @contextmanager
    def transaction(self) -> Iterator[Repository]:
        """Commit everything that is done to the repository inside, or nothing of it.

        Raises:
            DatabaseUnavailableError: the work may be tried again as a whole. Where the commit
                itself broke off it may have happened: moves by lease and submissions with an
                idempotency key can be repeated without harm.

        """
        with self._session(self._engine) as session:
            yield Repository(session, self.policy)
            session.commit()

    @contextmanager
    def reading(self) -> Iterator[Repository]:
        """Read without locking anybody out; nothing is committed.

        Raises:
            DatabaseUnavailableError: see `transaction`.

        """
        with self._session(self._reading_engine) as session:
            yield Repository(session, self.policy)

    def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            DatabaseUnavailableError: there is none.

        """
        with self._session(self._reading_engine) as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(
                engine, expire_on_commit=False, execution_options=_SESSION_OPTIONS
            ) as session:
                yield session
        except (OperationalError, ProgrammingError) as error:
            if _is_without_tables(error):
                raise SettingsError(
                    f"The database {_address(engine)} lacks tables of this release; migrate it,"
                    " as 'flashvsr serve' does when it starts."
                ) from error
            if isinstance(error, ProgrammingError):
                raise
            raise DatabaseUnavailableError(_unavailable(engine, error)) from error
        except (InterfaceError, PoolTimeoutError) as error:
            raise DatabaseUnavailableError(_unavailable(engine, error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailableError(_unavailable(engine, error)) from error
            raise


def open_engine(url: str) -> Engine:
    """Make an engine with this project's settings.

    Raises:
        SettingsError: the URL is neither a SQLite file's nor a Postgres server's.

    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(f"DATABASE_URL cannot be read: {error}.") from error
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return _open_postgres(parsed)
    if parsed.drivername in ("sqlite", "sqlite+pysqlite") and parsed.database not in (
        None,
        "",
        ":memory:",
    ):
        return _open_sqlite(parsed)
    raise SettingsError(
        f"DATABASE_URL begins with {parsed.drivername!r}; it must be sqlite:///path/to/file or"
        " postgresql://user:password@host/name."
    )


def _open_postgres(url: URL) -> Engine:
    settings = {
        "statement_timeout": _STATEMENT_S,
        "lock_timeout": _LOCK_S,
        "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_S,
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=15,
        pool_timeout=_CONNECT_S,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": _CONNECT_S,
            "application_name": "flashvsr",
            "tcp_user_timeout": _STATEMENT_S * 1000,
            "options": " ".join(f"-c {name}={seconds}s" for name, seconds in settings.items()),
        },
    )


def _open_sqlite(url: URL) -> Engine:
    assert url.database is not None
    Path(url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        pool_size=5,
        max_overflow=15,
        connect_args={"timeout": _LOCK_S},
        execution_options={"sqlite_begin": "BEGIN IMMEDIATE"},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:  # noqa: ANN401 - the driver's own
    # Python's driver would begin transactions by its own rules; `_begin_sqlite` does it.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL may lose the last commits when the power fails.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that reads first and writes later could not be made to wait.
    connection.exec_driver_sql(connection.get_execution_options()["sqlite_begin"])


def _unavailable(engine: Engine, error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    reason = (str(cause).splitlines() or [type(cause).__name__])[0]
    return (
        f"The database {_address(engine)} does not answer ({reason}); check DATABASE_URL and the"
        " server."
    )


def _is_without_tables(error: DBAPIError) -> bool:
    undefined_table = "42P01"
    return "no such table" in str(error.orig) or (
        getattr(error.orig, "sqlstate", None) == undefined_table
    )


def _address(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
