"""`flashvsr bulk` against a whole service, as a person uses it."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import clips
from tests.cli.command import FLASHVSR, flashvsr, one_sentence
from tests.patience import PATIENCE_S
from tests.servers.process import free_port
from tests.servers.s3 import S3Server


@dataclass(frozen=True)
class Running:
    """A service with a bucket that its key may use."""

    environment: dict[str, str]
    client: Any
    bucket: str

    def bulk(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        return flashvsr("bulk", *arguments, code=code, environment=self.environment)

    def document(self, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.bulk(*arguments, "--json", code=code).stdout)
        return found

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


@pytest.fixture
def running(tmp_path: Path, s3: S3Server) -> Iterator[Running]:
    bucket, port = s3.new_bucket(), free_port()
    embedded = ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "FLASHVSR_API_KEY")
    environment = {name: value for name, value in os.environ.items() if name not in embedded}
    environment |= {
        "FLASHVSR_BUCKETS_URL": f"s3://?endpoint={s3.endpoint()}&region=us-east-1",
        "FLASHVSR_ENGINE": "stub",
        "FLASHVSR_ALLOW_STUB": "1",
        "FLASHVSR_DATA_DIR": str(tmp_path / "data"),
        "FLASHVSR_SWEEP_S": "0.3",
        "FLASHVSR_POLL_S": "0.1",
    }
    where = ("--port", str(port), "--data-dir", str(tmp_path / "data"))
    with subprocess.Popen(
        [FLASHVSR, "serve", *where, "--weights", tmp_path],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert "listens on" in process.stdout.readline()
            made = subprocess.run(
                [
                    sys.executable, "-m", "api", "keys", "create", "--tenant", "alice",
                    "--name", "bulk", "--scopes", "jobs:read", "jobs:write", "uploads:write",
                    "--input-prefix", f"s3://{bucket}/", "--output-prefix", f"s3://{bucket}/",
                ],
                env=environment, capture_output=True, text=True, check=True,
            )  # fmt: skip
            environment["FLASHVSR_API_KEY"] = json.loads(made.stdout)["secret"]
            environment["FLASHVSR_URL"] = f"http://127.0.0.1:{port}"
            yield Running(environment, s3.client(), bucket)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)


def test_a_bucket_from_the_dry_run_to_the_report(running: Running, tmp_path: Path) -> None:
    film = clips.plain(tmp_path / "film.mp4", frames=20)
    for key in ("in/a film.mp4", "in/b+.mp4"):
        running.client.upload_file(str(film), running.bucket, key)
    running.client.put_object(Bucket=running.bucket, Key="in/c.mp4", Body=b"poison")
    source, output = running.url("in/"), "out/{stem}_x{scale}.mp4"
    planned = running.document(
        "submit", source, "--output", output, "--scale", "2", "--dry-run", "--wait"
    )
    assert (planned["state"], planned["counts"]["waiting"]) == ("planned", 3)
    estimate = planned["estimate"]
    assert estimate["basis"]["probed"] == 2
    assert abs(estimate["frames"] - 40) <= 1
    assert estimate["gpu_seconds"] >= 1
    assert 0 < estimate["output_bytes"] < 1e6
    assert "out/" not in str(running.client.list_objects_v2(Bucket=running.bucket))
    batch_id = planned["id"]
    running.bulk("start", batch_id)
    said = running.bulk("wait", batch_id, code=1)
    assert "2 succeeded, 1 failed" in said.stdout
    report = tmp_path / "report.csv"
    running.bulk("report", batch_id, report)
    rows = list(csv.DictReader(io.StringIO(report.read_text())))
    assert [row["state"] for row in rows] == ["succeeded", "succeeded", "failed"]
    assert rows[0]["output_url"] == running.url("out/a film_x2.mp4")
    one_sentence(running.bulk("report", batch_id, report, code=7).stderr)
    told = json.loads(running.bulk("report", batch_id, "--form", "json").stdout)
    assert told["batch"]["counts"]["failed"] == 1
    written = running.client.get_object(Bucket=running.bucket, Key=f"out/flashvsr-{batch_id}.csv")
    assert written["Body"].read() == report.read_bytes()
    running.client.upload_file(str(film), running.bucket, "in/c.mp4")
    running.bulk("retry", batch_id)
    assert "3 succeeded" in running.bulk("wait", batch_id).stdout
    assert batch_id in running.bulk("list").stdout
    assert running.document("status", batch_id)["round"] == 2
    _submit_a_manifest_twice(running, tmp_path)
    _be_refused(running, tmp_path)


def _submit_a_manifest_twice(running: Running, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(f"{running.bucket},in/a+film.mp4\nno manifest\n")
    key = ("--idempotency-key", "once")
    keys = ("--output", "more/{name}", *key)
    first = running.bulk("submit", manifest, *keys).stdout.strip()
    # Another upload makes it another request, which the key is not for.
    one_sentence(running.bulk("submit", manifest, *keys, code=7).stderr)
    said = running.bulk("wait", first, code=1).stdout
    assert "1 succeeded, 1 refused" in said
    objects = [running.url("in/a film.mp4"), running.url("in/b+.mp4")]
    more = ("--output", "again/{name}", "--idempotency-key", "twice")
    ids = {running.bulk("submit", *objects, *more).stdout.strip() for _ in range(2)}
    assert len(ids) == 1
    assert "2 succeeded" in running.bulk("wait", ids.pop()).stdout


def _be_refused(running: Running, tmp_path: Path) -> None:
    stranger = running.bulk("submit", "s3://others/in/", "--output", "{name}", code=7)
    assert "--input-prefix" in one_sentence(stranger.stderr)
    one_sentence(running.bulk("submit", tmp_path / "no-such-file", code=2).stderr)
    one_sentence(running.bulk("status", "bat_nobody", code=7).stderr)
    wrong = running.bulk("submit", running.url("in/"), "--output", "{nothing}", code=7)
    assert "{nothing}" in one_sentence(wrong.stderr)
