"""The two databases, with one S3 server for both."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import boto3
import pytest

from jobs.database import Database
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import CREDENTIALS, REGION, S3Server
from tests.watching.world import Queue, World


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    path = tmp_path / "flashvsr.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_template: str) -> str:
    return postgres.url(postgres.new_database(postgres_template))


@pytest.fixture
def embedded(sqlite_url: str, s3: S3Server) -> Iterator[World]:
    """On SQLite."""
    database = Database(sqlite_url)
    yield World(database, s3)
    database.close()


@pytest.fixture
def farm(postgres_url: str, s3: S3Server) -> Iterator[World]:
    """On Postgres."""
    database = Database(postgres_url)
    yield World(database, s3)
    database.close()


@pytest.fixture(params=["embedded", "farm"])
def world(request: pytest.FixtureRequest) -> World:
    """Each of the two."""
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def sqs(s3: S3Server) -> Any:
    return boto3.client(
        "sqs",
        endpoint_url=s3.endpoint(),
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def queue(sqs: Any) -> Queue:
    return Queue(sqs, sqs.create_queue(QueueName=f"events-{token_hex(6)}")["QueueUrl"])
