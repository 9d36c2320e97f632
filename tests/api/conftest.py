"""The two worlds: SQLite with a folder, and Postgres with S3."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.world import Tenant, World, settings_of
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import S3Server

MakeWorld = Callable[..., World]


@pytest.fixture
def make_embedded(tmp_path: Path, sqlite_template: Path) -> Iterator[MakeWorld]:
    """Make an embedded service with other settings."""
    opened: list[World] = []

    def make(**more: object) -> World:
        path = tmp_path / "flashvsr.db"
        shutil.copyfile(sqlite_template, path)
        store = (tmp_path / "store").as_uri()
        opened.append(World(settings_of(tmp_path, f"sqlite:///{path}", store, **more)))
        return opened[-1]

    yield make
    for world in opened:
        world.close()


@pytest.fixture
def embedded(make_embedded: MakeWorld) -> World:
    return make_embedded()


@pytest.fixture
def farm(
    tmp_path: Path, postgres: PostgresServer, postgres_template: str, s3: S3Server
) -> Iterator[World]:
    name = postgres.new_database(postgres_template)
    found = World(settings_of(tmp_path, postgres.url(name), s3.url(s3.new_bucket())))
    yield found
    found.close()


@pytest.fixture(params=["embedded", "farm"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def alice(world: World) -> Tenant:
    return world.tenant("alice")


@pytest.fixture
def bob(world: World) -> Tenant:
    return world.tenant("bob")
