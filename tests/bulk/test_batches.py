"""Batches with real workers and a real sweeper: prefixes, kills, retries, reports."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobs.placement import Output
from tests.bulk.world import APART, BESIDE, BulkWorld
from tests.patience import wait_until
from tests.worker.test_sweep import Receiver


def test_a_prefix_is_enlarged_and_reported(world: BulkWorld) -> None:
    keys = ["in/a.mp4", "in/deep/b.mp4", "in/deep/c.mov"]
    world.put_many([*keys, "in/notes.txt", "in/folder/", "elsewhere.mp4"])
    world.put("in/empty.mp4", b"")
    world.put("in/poison.mp4", b"poison")
    batch = world.create(prefix=world.url("in/"), suffixes=(".mp4", ".mov"))
    world.start_worker()
    world.start_sweeper()
    ended = world.wait_for_batch(batch)
    counts = world.counts(batch)
    assert (counts.succeeded, counts.failed, counts.refused, counts.total) == (3, 1, 1, 5)
    results = ["out/a_x4.mp4", "out/deep/b_x4.mp4", "out/deep/c_x4.mp4"]
    assert [key for key in world.in_bucket("out/") if "flashvsr-" not in key] == results
    assert world.body("out/deep/b_x4.mp4") == b"film in/deep/b.mp4"
    rows = {row["input_url"]: row for row in world.csv_report(batch)}
    assert rows[world.url("in/a.mp4")]["output_url"] == world.url("out/a_x4.mp4")
    assert rows[world.url("in/a.mp4")]["state"] == "succeeded"
    assert rows[world.url("in/empty.mp4")]["error_code"] == "not_a_video"
    assert rows[world.url("in/poison.mp4")]["error_code"] == "not_a_video"
    report = world.json_report(batch)
    assert report["batch"]["counts"]["succeeded"] == 3
    assert [line["line"] for line in report["lines"]] == [1, 2, 3, 4, 5]
    assert ended.reports is not None
    assert ended.reports["csv"].startswith(world.url("out/flashvsr-bat_"))


@pytest.mark.heavy
def test_each_object_once_although_everything_is_killed(farm: BulkWorld) -> None:
    count = 60
    keys = [f"in/{n % 7}/film {n}+ü%.mp4" for n in range(count)]
    farm.put_many(keys)
    farm.client.put_bucket_versioning(
        Bucket=farm.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    batch = farm.create(prefix=farm.url("in/"))
    settings: dict[str, Any] = {"stub_chunk_s": 0.05, "batch_window": 16}
    workers = [farm.start_worker(f"w{n}", **settings) for n in range(2)]
    sweeper = farm.start_sweeper(**settings)
    for done in (5, 25):
        farm.wait_for_lines(batch, done)
        workers.pop().kill()
        sweeper.kill()
        workers.insert(0, farm.start_worker(f"w{done}", **settings))
        sweeper = farm.start_sweeper(f"sweeper-{done}", **settings)
    farm.wait_for_batch(batch)
    assert farm.counts(batch).succeeded == count
    versions = farm.client.list_object_versions(Bucket=farm.bucket, Prefix="out/")["Versions"]
    outputs = [found["Key"] for found in versions if "flashvsr-" not in found["Key"]]
    assert len(outputs) == len(set(outputs)) == count, "each was written once"
    rows = farm.csv_report(batch)
    assert sorted(row["input_url"] for row in rows) == sorted(map(farm.url, keys))
    assert {row["state"] for row in rows} == {"succeeded"}
    for row in rows[::10]:
        name = row["input_url"].removeprefix(farm.url(""))
        assert farm.body(row["output_url"].removeprefix(farm.url(""))) == f"film {name}".encode()
    assert len({row["job_id"] for row in rows}) == count
    assert any(len(farm.attempts(row["job_id"])) > 1 for row in rows), "a job lost its worker"


def test_what_failed_can_be_tried_again(embedded: BulkWorld) -> None:
    embedded.put_many(["in/a.mp4", "in/c.mp4"])
    objects = tuple(map(embedded.url, ("in/a.mp4", "in/b.mp4", "in/c.mp4", "bad")))
    with closing(Receiver()) as receiver:
        batch = embedded.create(
            objects=objects, webhook_url=receiver.url, output=Output(APART.template, "skip")
        )
        embedded.start_worker()
        embedded.start_sweeper()
        embedded.wait_for_batch(batch)
        counts = embedded.counts(batch)
        assert (counts.succeeded, counts.failed) == (2, 2)
        before = embedded.in_bucket("out/")
        embedded.put("in/b.mp4", b"late")
        with embedded.database.transaction() as rows:
            rows.batches.retry(embedded.actor, batch.id)
        ended = embedded.wait_for_batch(batch)
        wait_until(lambda: len(receiver.got) == 2)
    counts = embedded.counts(batch)
    assert (counts.succeeded, counts.failed, ended.round) == (3, 1, 2)
    by_state = {line.number: line for line in embedded.lines(batch)}
    assert len(embedded.attempts(str(by_state[1].job_id))) == 1, "not done again"
    assert len(embedded.attempts(str(by_state[2].job_id))) == 2, "the same job"
    added = set(embedded.in_bucket("out/")) - set(before)
    assert embedded.body("out/in/b_x4.mp4") == b"late"
    assert {key.partition(".")[2] for key in added} == {"mp4", "v2.csv", "v2.json"}
    assert [row["state"] for row in embedded.csv_report(batch)] == [
        "succeeded", "succeeded", "succeeded", "failed",
    ]  # fmt: skip
    types = [json.loads(body)["type"] for _, body in receiver.got]
    assert types == ["batch.completed"] * 2
    told = json.loads(receiver.got[1][1])["data"]
    assert (told["counts"]["succeeded"], told["round"]) == (3, 2)


def test_a_second_run_over_a_prefix_does_nothing_again(embedded: BulkWorld) -> None:
    embedded.put_many([f"in/{n}.mp4" for n in range(3)])
    output = Output(BESIDE.template, "skip")
    embedded.start_worker()
    embedded.start_sweeper()
    first = embedded.create(prefix=embedded.url("in/"), output=output, suffixes=(".mp4",))
    embedded.wait_for_batch(first)
    embedded.put("in/new.mp4")
    second = embedded.create(prefix=embedded.url("in/"), output=output, suffixes=(".mp4",))
    embedded.wait_for_batch(second)
    counts = embedded.counts(second)
    assert (counts.succeeded, counts.skipped, counts.total) == (1, 6, 7)
    reasons = {line.reason.code for line in embedded.lines(second) if line.reason}
    assert reasons == {"is_output", "output_skipped"}


def test_results_can_stay_in_the_service(embedded: BulkWorld) -> None:
    embedded.put("in/a.mp4", b"film")
    batch = embedded.create(objects=(embedded.url("in/a.mp4"),), output=None)
    embedded.start_worker()
    embedded.start_sweeper()
    ended = embedded.wait_for_batch(batch)
    (line,) = embedded.lines(batch)
    job = embedded.job(str(line.job_id))
    assert job.result is not None
    assert (job.result.url, ended.reports) == (None, {})
    assert job.result.key in embedded.keys("results/")
    assert embedded.in_bucket() == ["in/a.mp4"]


def test_a_report_that_cannot_be_written_is_said(embedded: BulkWorld, tmp_path: Path) -> None:
    embedded.limit(output_prefixes=(embedded.url("out/"),))
    embedded.put("in/a.mp4")
    text = json.dumps({"url": embedded.url("in/a.mp4"), "output_url": embedded.url("out/a.mp4")})
    batch = embedded.create_manifest(text, report_url=embedded.url("out/"))
    embedded.client.put_object(
        Bucket=embedded.bucket, Key=f"out/flashvsr-{batch.id}.csv", Body=b"theirs"
    )
    embedded.start_worker()
    embedded.start_sweeper()
    ended = embedded.wait_for_batch(batch)
    assert ended.reason is not None
    assert ended.reason.code == "report_not_written"
    assert embedded.body(f"out/flashvsr-{batch.id}.csv") == b"theirs"
    assert embedded.counts(batch).succeeded == 1
