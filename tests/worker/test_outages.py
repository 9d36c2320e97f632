"""Servers go away and come back, even emptied; every job still ends once."""

import time

from tests.patience import wait_until
from tests.servers.faulty_proxy import FaultyProxy
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server
from tests.worker.world import World


def test_redis_is_stopped_and_emptied(farm: World, redis: RedisServer) -> None:
    before = [farm.submit() for _ in range(3)]
    redis.stop()
    redis.start()
    farm.start_worker()
    farm.start_sweeper()
    for job_id in before:
        farm.wait_for(job_id)
    # Once more, now that a worker and a sweeper are connected.
    redis.stop()
    meanwhile = [farm.submit(ring=False) for _ in range(3)]
    time.sleep(1)
    redis.start()
    for job_id in meanwhile:
        farm.wait_for(job_id)
    assert all(farm.outcomes(job_id) == ["succeeded"] for job_id in before + meanwhile)
    farm.assert_clean()


def test_postgres_restarts_while_a_job_runs(farm: World, postgres: PostgresServer) -> None:
    farm.start_worker(stub_chunks=40, stub_chunk_s=0.05, lease_s=20)
    farm.start_sweeper(lease_s=20)
    job_id = farm.submit()
    farm.wait_for_stage(job_id, "enlarging")
    postgres.restart()
    farm.wait_for(job_id)
    assert farm.outcomes(job_id) == ["succeeded"]
    farm.assert_clean()


def test_storage_is_away_for_a_while(farm: World, s3: S3Server) -> None:
    storage = farm.storage_url
    with FaultyProxy(s3.port) as proxy:
        farm.storage_url = storage.replace(str(s3.port), str(proxy.port))
        farm.start_worker(stub_chunks=10, stub_chunk_s=0.05, stub_result_bytes=40 << 20)

        proxy.refuse()
        job_id = farm.submit()
        farm.wait_for_stage(job_id, "downloading")
        time.sleep(0.5)
        proxy.allow()
        farm.wait_for_stage(job_id, "enlarging")

        proxy.refuse_after(20 << 20)
        farm.wait_for_stage(job_id, "uploading")
        wait_until(lambda: proxy._is_refusing)
        time.sleep(0.5)
        proxy.allow()
        job = farm.wait_for(job_id)
    assert farm.outcomes(job_id) == ["succeeded"]
    assert job.result is not None
    facts = farm.storage.head(job.result.key)
    assert facts is not None
    assert facts.size_bytes == job.result.size_bytes == 40 << 20
    farm.storage.get(job.result.key, farm.folder / "back", sha256=job.result.sha256)
    farm.storage_url = storage
    farm.sweep()
    farm.assert_clean()


def test_storage_is_away_for_longer_than_an_attempt_waits(farm: World, s3: S3Server) -> None:
    storage = farm.storage_url
    with FaultyProxy(s3.port) as proxy:
        farm.storage_url = storage.replace(str(s3.port), str(proxy.port))
        farm.start_worker(patience_s=0.1)
        farm.start_sweeper()
        proxy.refuse()
        job_id = farm.submit()
        wait_until(lambda: farm.outcomes(job_id) == ["failed"])
        proxy.allow()
        job = farm.job(job_id)
        assert job.reason is not None
        assert (job.state, job.reason.code) == ("queued", "storage_unavailable")
        assert str(proxy.port) not in job.reason.message, "addresses of ours are not told"
        farm.wait_for(job_id)
    assert farm.outcomes(job_id) == ["failed", "succeeded"]
