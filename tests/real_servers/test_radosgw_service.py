"""Whole jobs through API and worker on a real S3 server."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import FlashVSRClient
from jobs.storage import SignedRequest
from jobs.storage.interface import PART_BYTES
from tests.api.world import World as Api
from tests.api.world import settings_of
from tests.jobs.http import send
from tests.patience import wait_until
from tests.real_servers.objects import file_of, sha256_of
from tests.servers.radosgw import RadosGateway
from tests.worker.world import World

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]


@pytest.fixture
def api(ceph_farm: World) -> Iterator[Api]:
    """The API in front of the same rows and objects."""
    found = Api(settings_of(ceph_farm.folder, ceph_farm.database_url, ceph_farm.storage_url))
    yield found
    found.close()


class TestService:
    @pytest.mark.parametrize("size_bytes", [1000, 2 * PART_BYTES + 1])
    def test_a_whole_job(self, ceph_farm: World, api: Api, tmp_path: Path, size_bytes: int) -> None:
        ceph_farm.start_worker()
        source = file_of(tmp_path, size_bytes, "film.mp4")
        with FlashVSRClient(api.url, api.new_key("alice").secret) as client:
            upload = client.upload(source, verify=True)
            job = client.submit(upload_id=upload.id, queue=ceph_farm.queue)
            client.wait(job.id)
            client.download(job.id, tmp_path / "back.mp4")
        assert (tmp_path / "back.mp4").read_bytes() == source.read_bytes(), "the stub copies"
        row = ceph_farm.wait_for(job.id)
        assert row.result is not None
        assert row.result.sha256 == sha256_of(source)
        assert ceph_farm.outcomes(job.id) == ["succeeded"]
        assert ceph_farm.keys("uploads/") == [f"uploads/{upload.id}/source"]
        ceph_farm.assert_clean()

    def test_links_that_expire_while_a_file_is_sent_are_signed_again(
        self, ceph_farm: World, tmp_path: Path
    ) -> None:
        settings = settings_of(
            ceph_farm.folder, ceph_farm.database_url, ceph_farm.storage_url, link_kept_s=1
        )
        source = file_of(tmp_path, 2 * PART_BYTES + 1, "film.mp4")
        api = Api(settings)
        try:
            with FlashVSRClient(api.url, api.new_key("alice").secret) as client:
                upload = client.upload(
                    source, verify=True, parallel=1, on_progress=lambda *_: time.sleep(1.1)
                )
        finally:
            api.close()
        facts = ceph_farm.storage.head(f"uploads/{upload.id}/source")
        assert facts is not None
        assert facts.size_bytes == source.stat().st_size

    def test_parts_that_are_missing_are_found_at_completion(
        self, ceph_farm: World, api: Api
    ) -> None:
        alice = api.tenant("alice")
        fields = {"filename": "film.mp4", "size_bytes": PART_BYTES + 3}
        upload = alice.http.post("/v1/uploads", json=fields).json()
        (_, last) = alice.http.get(upload["links"]["parts"]).json()["parts"]
        request = SignedRequest("PUT", last["request"]["url"], last["request"]["headers"])
        assert send(request, b"abc").status == 200
        answer = alice.http.post(upload["links"]["complete"])
        assert (answer.status_code, answer.json()["code"]) == (422, "object_damaged")
        assert ceph_farm.keys("") == []
        assert alice.http.get(upload["links"]["self"]).json()["state"] == "pending"

    def test_wrong_credentials_of_a_worker_do_not_use_up_a_job_at_once(
        self, ceph_farm: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = ceph_farm.submit()
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nonsense")
        wrong = ceph_farm.start_worker("wrong")
        wait_until(lambda: ceph_farm.outcomes(job_id)[:1] == ["failed"])
        wrong.kill()
        monkeypatch.undo()
        job = ceph_farm.job(job_id)
        assert job.reason is not None
        assert job.reason.code == "storage_denied"

    def test_the_server_dies_while_a_result_is_uploaded(
        self, ceph_farm: World, radosgw: RadosGateway
    ) -> None:
        ceph_farm.start_worker(stub_result_bytes=100 << 20)
        ceph_farm.start_sweeper()
        job_id = ceph_farm.submit()
        ceph_farm.wait_for_stage(job_id, "uploading")
        radosgw.stop(signal.SIGKILL)
        threading.Timer(3, radosgw.start).start()
        job = ceph_farm.wait_for(job_id)
        assert ceph_farm.outcomes(job_id) == ["succeeded"]
        assert job.result is not None
        back = ceph_farm.storage.get(
            job.result.key, ceph_farm.folder / "back", sha256=job.result.sha256
        )
        assert back.size_bytes == 100 << 20
        ceph_farm.sweep()
        wait_until(lambda: not list(ceph_farm.storage.list_unfinished("")))
        ceph_farm.assert_clean()
