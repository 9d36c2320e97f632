"""Two worlds of real processes: the embedded one, and the one of a farm."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server
from tests.worker.world import World


@pytest.fixture
def embedded(tmp_path: Path, sqlite_template: Path) -> Iterator[World]:
    """SQLite, a folder, no broker."""
    path = tmp_path / "flashvsr.db"
    shutil.copyfile(sqlite_template, path)
    storage = (tmp_path / "store").as_uri()
    with World(tmp_path, f"sqlite:///{path}", storage, None) as world:
        yield world


@pytest.fixture
def farm(
    tmp_path: Path,
    postgres: PostgresServer,
    postgres_template: str,
    redis: RedisServer,
    s3: S3Server,
) -> Iterator[World]:
    """Postgres, S3 and Redis."""
    name = postgres.new_database(postgres_template)
    storage = s3.url(s3.new_bucket())
    with World(tmp_path, postgres.url(name), storage, redis.url) as world:
        yield world


@pytest.fixture(params=["embedded", "farm"])
def world(request: pytest.FixtureRequest) -> World:
    """Each of the two."""
    found: World = request.getfixturevalue(request.param)
    return found
