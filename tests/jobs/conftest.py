"""Two worlds for the same tests: the embedded one and the one of a farm."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from jobs.api_key import Actor
from jobs.database import Database, open_engine
from jobs.policy import Policy
from jobs.request import DEFAULT_QUEUE
from jobs.storage import Storage, open_storage
from jobs.storage.local import LocalStorage
from jobs.tables import QueueRow, Table
from migrations import migrate
from tests.jobs.steps import make_actor
from tests.servers.link_server import LinkServer
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server

WORLDS = ("embedded", "farm")

STRICT = Policy(
    lease_s=50.0,
    max_attempts=3,
    backoff_first_s=20.0,
    backoff_factor=2.0,
    backoff_max_s=60.0,
    delivery_lease_s=30.0,
    webhook_tries=3,
)
"""Few tries, and times that none of a test's own steps can outlast: see `tests.clock.pass_time`."""


class World:
    """A migrated database, opened as often as a test likes."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.database = Database(database_url)
        self._opened = [self.database]

    def open(self, policy: Policy) -> Database:
        """Open the same database again with other times; also, as another process would."""
        database = Database(self.database_url, policy)
        self._opened.append(database)
        return database

    def close(self) -> None:
        for database in self._opened:
            database.close()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def empty_postgres(postgres: PostgresServer) -> str:
    name = postgres.new_database()
    migrate(postgres.url(name))
    return name


def empty(url: str) -> None:
    """Delete all rows but the first queue; a database for every test would cost 100 times that."""
    engine = open_engine(url)
    with engine.begin() as connection:
        for table in reversed(Table.metadata.sorted_tables):
            connection.execute(table.delete())
        connection.execute(insert(QueueRow).values(name=DEFAULT_QUEUE))
    engine.dispose()


@pytest.fixture(params=WORLDS)
def world_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def database_url(world_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database without jobs: SQLite or Postgres."""
    if world_name == "embedded":
        path = tmp_path / "flashvsr.db"
        shutil.copyfile(request.getfixturevalue("empty_sqlite"), path)
        return f"sqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.url(request.getfixturevalue("empty_postgres"))
    empty(url)
    return url


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    world = World(database_url)
    yield world
    world.close()


@pytest.fixture
def database(world: World) -> Database:
    """With the default policy, under which nothing expires while a test runs."""
    return world.database


@pytest.fixture
def strict(world: World) -> Database:
    """With few tries, and leases that end when a test says so."""
    return world.open(STRICT)


@pytest.fixture
def storage(world_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty store whose links work over HTTP: a folder or S3."""
    if world_name == "embedded":
        with LinkServer() as server:
            opened = open_storage((tmp_path / "store").as_uri(), server.url)
            assert isinstance(opened, LocalStorage)
            server.storage = opened
            yield opened
    else:
        s3: S3Server = request.getfixturevalue("s3")
        yield open_storage(s3.url(s3.new_bucket()))


@pytest.fixture
def alice(database: Database) -> Actor:
    """A tenant with a key that may read from one bucket."""
    return make_actor(database, "alice")


@pytest.fixture
def bob(database: Database) -> Actor:
    """Another tenant."""
    return make_actor(database, "bob")
