"""`flashvsr watch` against a service that listens, and a bucket on a real S3 server."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from jobs.api_key import KeyLimits
from jobs.object_events import ObjectEvent
from tests.api.world import World, settings_of
from tests.cli import command
from tests.cli.command import one_sentence
from tests.servers.s3 import REGION, S3Server

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    name = f"cli-{token_hex(6)}"
    s3.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def world(tmp_path: Path, sqlite_template: Path, s3: S3Server) -> Iterator[World]:
    path = tmp_path / "flashvsr.db"
    shutil.copyfile(sqlite_template, path)
    store = (tmp_path / "store").as_uri()
    buckets_url = f"s3://?endpoint={s3.endpoint()}&region={REGION}"
    opened = World(settings_of(tmp_path, f"sqlite:///{path}", store, buckets_url=buckets_url))
    yield opened
    opened.close()


@pytest.fixture
def flashvsr(world: World, bucket: str) -> Run:
    prefixes = (f"s3://{bucket}/",)
    limits = KeyLimits(input_prefixes=prefixes, output_prefixes=prefixes)
    environment = os.environ | {
        "FLASHVSR_URL": world.url,
        "FLASHVSR_API_KEY": world.tenant("alice", limits).secret,
    }

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return command.flashvsr("watch", *arguments, code=code, environment=environment)

    return run


def test_add_list_events_remove(world: World, bucket: str, flashvsr: Run, s3: S3Server) -> None:
    added = flashvsr(
        "add", f"s3://{bucket}/in/", "--suffix", ".mov", "--suffix", ".mp4", "--scale", "2",
        "--output", "out/{path}/{stem}_x{scale}.{container}", "--on-collision", "version",
        "--name", "inbox",
    )  # fmt: skip
    watch_id = added.stdout.strip()
    assert "fves_" in added.stderr
    s3.client().put_object(Bucket=bucket, Key="in/my film.mov", Body=b"a film")
    s3.client().put_object(Bucket=bucket, Key="in/empty.mov", Body=b"")
    for key in ("in/my film.mov", "in/empty.mov"):
        world.services.open_intake().take(ObjectEvent("created", bucket, key), "webhook")
    (shown,) = json.loads(flashvsr("list", "--json").stdout)
    assert (shown["id"], shown["name"], shown["is_paused"]) == (watch_id, "inbox", False)
    assert shown["output"]["on_collision"] == "version"
    assert shown["secret"] is None
    line = flashvsr("list").stdout
    assert f"{watch_id}  s3://{bucket}/in/  inbox  last event" in line
    assert "1 submitted  1 refused  jobs: 1 queued" in flashvsr("show", watch_id).stdout
    told = flashvsr("events", watch_id).stdout.splitlines()
    assert len(told) == 2
    assert "in/empty.mov  not_a_video: The object is empty" in told[0]
    assert "in/my film.mov  job_" in told[1]
    assert "my film" in flashvsr("events", watch_id, "--state", "submitted").stdout
    assert "paused" in flashvsr("pause", watch_id).stdout
    assert "paused" not in flashvsr("resume", watch_id).stdout
    flashvsr("scan", watch_id)
    flashvsr("remove", watch_id)
    assert flashvsr("list").stdout == ""
    assert one_sentence(flashvsr("show", watch_id, code=7).stderr)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--output", "in/{stem}_x4.mp4"), "enlarged again"),
        (("--output", "{prefix}/{stem}_x4.mp4"), "enlarged again"),
        (("--output", "out/{nothing}.mp4"), "names {nothing}"),
        (("--output", "s3://of-others/{stem}.mp4"), "may not write"),
    ],
)
def test_refusals_are_one_sentence(
    bucket: str, flashvsr: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    done: Any = flashvsr("add", f"s3://{bucket}/in/", *arguments, code=7)
    assert sentence in one_sentence(done.stderr)
    assert done.stdout == ""
