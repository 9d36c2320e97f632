"""The fixtures; `pytest_plugins = ["tests.servers.fixtures"]` makes them known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations import migrate
from tests.servers import radosgw as ceph
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.radosgw import RadosGateway
from tests.servers.redis import RedisServer
from tests.servers.s3 import CREDENTIALS, S3Server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running Postgres; make a database of your own with `new_database`."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database: copy the file, do not write to it."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """A migrated, empty database: give its name to `new_database`, do not write to it."""
    name = postgres.new_database()
    migrate(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis, shared: use queues of your own, and start it again if you stop it."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running S3 server, whose credentials are in the environment meanwhile."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield server
    server.stop()


@pytest.fixture(scope="session")
def radosgw() -> Iterator[RadosGateway]:
    """A running S3 server that checks who asks; set `radosgw_keys` to be its user."""
    server = RadosGateway()
    yield server
    server.close()


@pytest.fixture
def radosgw_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of radosgw's first user in the environment."""
    for name, value in ceph.CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """A running RabbitMQ, shared: use queues of your own, and start it again if you stop it."""
    server = RabbitServer()
    yield server
    server.close()
