"""Services with somebody's own bucket beside them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bulk.world import BulkWorld
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server


@pytest.fixture
def embedded(tmp_path: Path, sqlite_template: Path, s3: S3Server) -> Iterator[BulkWorld]:
    """SQLite and a folder, with buckets on an S3 server that is not the service's own."""
    path = tmp_path / "flashvsr.db"
    shutil.copyfile(sqlite_template, path)
    storage = (tmp_path / "store").as_uri()
    with BulkWorld(tmp_path, f"sqlite:///{path}", storage, None, s3) as world:
        yield world


@pytest.fixture
def farm(
    tmp_path: Path,
    postgres: PostgresServer,
    postgres_template: str,
    redis: RedisServer,
    s3: S3Server,
) -> Iterator[BulkWorld]:
    """Postgres, S3 and Redis."""
    url = postgres.url(postgres.new_database(postgres_template))
    with BulkWorld(tmp_path, url, s3.url(s3.new_bucket()), redis.url, s3) as world:
        yield world


@pytest.fixture(params=["embedded", "farm"])
def world(request: pytest.FixtureRequest) -> BulkWorld:
    """Each of the two."""
    found: BulkWorld = request.getfixturevalue(request.param)
    return found
