"""Retention and orphans, asserted on rows and on objects."""

from pathlib import Path

import pytest

from jobs.api_key import Actor
from jobs.database import Database
from jobs.errors import UploadNotFoundError, UploadStateError
from jobs.job import JobResult
from jobs.object_keys import RESULTS, UPLOADS
from jobs.policy import Policy
from jobs.request import JobRequest
from jobs.storage import Storage
from tests.clock import pass_time
from tests.jobs.conftest import STRICT, World
from tests.jobs.steps import (
    claim,
    free_leases,
    read,
    removals,
    submit,
    succeed,
    take,
    uploaded,
)


def put(storage: Storage, key: str, folder: Path) -> None:
    path = folder / "object"
    path.write_bytes(b"abc")
    storage.put(key, path, content_type="video/mp4")


def keys_in(storage: Storage) -> list[str]:
    return [facts.key for prefix in (RESULTS, UPLOADS) for facts in storage.list(prefix)]


def sweep_orphans(database: Database, storage: Storage) -> None:
    with database.reading() as rows:
        orphans = rows.sweeps.orphans(keys_in(storage))
    for key in orphans:
        storage.delete(key)


def test_results_expire_and_their_objects_go(
    world: World, storage: Storage, alice: Actor, tmp_path: Path
) -> None:
    database = world.open(Policy(result_kept_s=60))
    kept = submit(world.database, alice, "kept")
    succeed(world.database, claim(world.database).lease)
    job = submit(database, alice)
    lease = claim(database).lease
    put(storage, f"{lease.object_prefix}out.mp4", tmp_path)
    succeed(database, lease)
    with database.transaction() as rows:
        assert rows.sweeps.expire_results() == []
    pass_time(database, 60)
    with database.transaction() as rows:
        assert [expired.id for expired in rows.sweeps.expire_results()] == [job.id]
        assert rows.sweeps.expire_results() == []
    assert read(database, job.id).state == "expired"
    assert read(database, kept.id).state == "succeeded"
    for delivery in take(database, "removal"):
        storage.delete(delivery.payload["prefix"])
    assert keys_in(storage) == []


def test_a_late_removal_spares_the_retry(
    world: World, storage: Storage, alice: Actor, tmp_path: Path
) -> None:
    database = world.open(Policy(result_kept_s=60))
    job = submit(database, alice)
    lease = claim(database).lease
    put(storage, f"{lease.object_prefix}out.mp4", tmp_path)
    succeed(database, lease)
    pass_time(database, 60)
    with database.transaction() as rows:
        rows.sweeps.expire_results()
        rows.jobs.retry(alice, job.id)
    again = claim(database).lease
    put(storage, f"{again.object_prefix}out.mp4", tmp_path)
    for prefix in removals(database):
        storage.delete(prefix)
    assert keys_in(storage) == [f"{again.object_prefix}out.mp4"]


def test_an_upload_that_a_job_needs_is_not_deleted(database: Database, alice: Actor) -> None:
    upload = uploaded(database, alice)
    with database.transaction() as rows:
        job = rows.jobs.submit(alice, JobRequest(upload_id=upload.id)).job
    with pytest.raises(UploadStateError), database.transaction() as rows:
        rows.uploads.delete(alice, upload.id)
    with database.transaction() as rows:
        rows.jobs.cancel(alice, job.id)
        rows.uploads.delete(alice, upload.id)
    assert removals(database) == [f"uploads/{upload.id}/"]


def test_uploads_are_kept_while_a_job_needs_them(world: World, alice: Actor) -> None:
    database = world.open(Policy(upload_kept_s=60, upload_pending_s=60))
    needed, unused = uploaded(database, alice), uploaded(database, alice)
    pending = uploaded(database, alice, is_complete=False)
    with database.transaction() as rows:
        job = rows.jobs.submit(alice, JobRequest(upload_id=needed.id)).job
    pass_time(database, 60)
    with database.transaction() as rows:
        assert sorted(rows.sweeps.expire_uploads()) == sorted([unused.id, pending.id])
    lease = claim(database).lease
    with database.transaction() as rows:
        assert rows.sweeps.expire_uploads() == []
    succeed(database, lease)
    pass_time(database, 60)
    with database.transaction() as rows:
        assert rows.sweeps.expire_uploads() == [needed.id]
    assert sorted(removals(database)) == sorted(
        f"uploads/{upload.id}/" for upload in (needed, unused, pending)
    )
    assert read(database, job.id).state == "succeeded"


def test_a_kept_upload_stays(database: Database, alice: Actor) -> None:
    upload = uploaded(database, alice)
    with database.transaction() as rows:
        assert rows.sweeps.expire_uploads() == []
        assert rows.uploads.get("alice", upload.id).state == "complete"


def test_only_what_belongs_to_nobody_is_an_orphan(
    strict: Database, storage: Storage, alice: Actor, tmp_path: Path
) -> None:
    published = submit(strict, alice, "published")
    zombie = claim(strict, "zombie").lease
    put(storage, f"{zombie.object_prefix}out.mp4", tmp_path)
    pass_time(strict, STRICT.lease_s)
    free_leases(strict)
    heir = claim(strict, "heir").lease
    put(storage, f"{heir.object_prefix}out.mp4", tmp_path)
    with strict.transaction() as rows:
        rows.claims.succeed(heir, JobResult(f"{heir.object_prefix}out.mp4", 3, "abc"))
    # The zombie goes on writing, after its prefix was removed.
    storage.delete(zombie.object_prefix)
    put(storage, f"{zombie.object_prefix}late.mp4", tmp_path)

    submit(strict, alice, "running")
    running = claim(strict, "w").lease
    put(storage, f"{running.object_prefix}out.mp4", tmp_path)
    upload = uploaded(strict, alice)
    put(storage, upload.object_key, tmp_path)
    put(storage, "uploads/upl_unknown/source", tmp_path)
    put(storage, "results/job_unknown/1/out.mp4", tmp_path)
    put(storage, "results/not-ours", tmp_path)

    sweep_orphans(strict, storage)
    assert sorted(keys_in(storage)) == sorted(
        [
            f"{heir.object_prefix}out.mp4",
            f"{running.object_prefix}out.mp4",
            "results/not-ours",
            upload.object_key,
        ]
    )
    assert read(strict, published.id).state == "succeeded"


def test_unfinished_uploads_of_the_dead_are_found(
    strict: Database, storage: Storage, alice: Actor
) -> None:
    submit(strict, alice)
    lease = claim(strict).lease
    key = f"{lease.object_prefix}out.mp4"
    storage.start_multipart(key, content_type="video/mp4")
    with strict.reading() as rows:
        assert rows.sweeps.orphans(storage.list_unfinished(RESULTS)) == []
    pass_time(strict, STRICT.lease_s)
    free_leases(strict)
    with strict.reading() as rows:
        assert rows.sweeps.orphans(storage.list_unfinished(RESULTS)) == [key]
    (prefix,) = removals(strict)
    storage.delete(prefix)
    assert list(storage.list_unfinished(RESULTS)) == []


def test_old_records_are_forgotten_but_not_results(world: World, alice: Actor) -> None:
    database = world.open(Policy(record_kept_s=60))
    done = submit(database, alice, "done", webhook_url="https://example.org")
    succeed(database, claim(database).lease)
    dropped = submit(database, alice, "dropped", webhook_url="https://example.org")
    waiting = submit(database, alice, "waiting")
    with database.transaction() as rows:
        rows.workers.register("gone", ["a100"])
        rows.jobs.cancel(alice, dropped.id)
    first, second = take(database, "webhook")
    with database.transaction() as rows:
        rows.outbox.delivered(first)
        assert rows.sweeps.forget_old_records() == 0
    pass_time(database, 60)
    with database.transaction() as rows:
        assert rows.sweeps.forget_old_records() == 3
    with database.reading() as rows:
        assert {job.id for job in rows.job_lists.page("alice").jobs} == {done.id, waiting.id}
        assert rows.workers.list() == []
    with database.transaction() as rows:
        assert rows.outbox.delivered(second), "what is still owed stays"


def test_completing_twice_and_expired_uploads(world: World, alice: Actor) -> None:
    database = world.open(Policy(upload_pending_s=0.0))
    upload = uploaded(database, alice, is_complete=False)
    with database.transaction() as rows:
        first = rows.uploads.complete("alice", upload.id)
    with database.transaction() as rows:
        assert rows.uploads.complete("alice", upload.id) == first
    late = uploaded(database, alice, is_complete=False)
    pass_time(database, 60)
    with database.transaction() as rows:
        rows.sweeps.expire_uploads()
    with pytest.raises(UploadNotFoundError), database.transaction() as rows:
        rows.uploads.complete("alice", late.id)
