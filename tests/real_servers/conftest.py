"""Worlds on servers that CI does not install; `pytest -m heavy` asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.storage import Storage, open_storage
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer
from tests.servers.radosgw import RadosGateway
from tests.worker.world import World


@pytest.fixture
def bucket(radosgw: RadosGateway, radosgw_keys: None) -> str:
    """An empty bucket of the user whose keys are in the environment."""
    return radosgw.new_bucket()


@pytest.fixture
def storage(radosgw: RadosGateway, bucket: str) -> Storage:
    return open_storage(radosgw.url(bucket))


@pytest.fixture
def ceph_farm(
    tmp_path: Path,
    postgres: PostgresServer,
    postgres_template: str,
    radosgw: RadosGateway,
    bucket: str,
) -> Iterator[World]:
    """Postgres and radosgw; workers poll."""
    url = postgres.url(postgres.new_database(postgres_template))
    with World(tmp_path, url, radosgw.url(bucket), None) as world:
        yield world


@pytest.fixture
def rabbit_farm(
    tmp_path: Path, postgres: PostgresServer, postgres_template: str, rabbitmq: RabbitServer
) -> Iterator[World]:
    """Postgres, RabbitMQ and a folder."""
    url = postgres.url(postgres.new_database(postgres_template))
    with World(tmp_path, url, (tmp_path / "store").as_uri(), rabbitmq.url) as world:
        yield world
