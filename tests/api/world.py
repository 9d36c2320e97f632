"""A service that really listens, with a look behind it."""

import contextlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from api.main import create_app
from api.server import make_server
from api.services import Services
from api.settings import ApiSettings
from jobs.api_key import OPERATOR, SCOPES, Actor, KeyLimits, NewApiKey, Scope
from jobs.database import Database
from jobs.job import Job, JobResult, Progress
from jobs.repository.claims import Lease
from jobs.storage import Storage
from tests import web
from tests.patience import PATIENCE_S
from tests.servers.process import free_port

FILMS = KeyLimits(input_prefixes=("s3://films/",))


@dataclass
class Tenant:
    """Somebody with a key."""

    http: httpx2.Client
    secret: str
    actor: Actor

    def upload(self, body: bytes = b"a film", filename: str = "film.mp4") -> str:
        """Send a file in one piece; return the upload's id."""
        fields = {"filename": filename, "size_bytes": len(body)}
        created = self.http.post("/v1/uploads", json=fields)
        assert created.status_code == 201, created.text
        upload = created.json()
        request = upload["request"]
        sent = web.put(request["url"], content=body, headers=request["headers"])
        assert sent.status_code == 200, sent.text
        assert self.http.post(upload["links"]["complete"]).status_code == 200
        found: str = upload["id"]
        return found

    def submit(self, **choices: object) -> dict[str, Any]:
        """Submit a job of an object that nobody will ever read."""
        body = {"input_url": "s3://films/a.mp4", **choices}
        answer = self.http.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job


@dataclass
class World:
    """One service on a port of its own."""

    settings: ApiSettings
    services: Services = field(init=False)
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self.services = Services.open(self.settings)
        self.app = create_app(services=self.services)
        self._server = make_server(self.settings, self.app)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        self._opened: list[httpx2.Client] = []
        deadline = time.monotonic() + PATIENCE_S
        while not self._server.started:
            assert time.monotonic() < deadline
            assert self._thread.is_alive()
            time.sleep(0.005)

    @property
    def is_local(self) -> bool:
        return self.settings.storage.startswith("file:")

    @property
    def database(self) -> Database:
        return self.services.database

    @property
    def storage(self) -> Storage:
        return self.services.storage

    def new_key(
        self, tenant: str, limits: KeyLimits = FILMS, scopes: tuple[Scope, ...] = SCOPES
    ) -> NewApiKey:
        with self.database.transaction() as rows:
            return rows.api_keys.create(OPERATOR, tenant, "test", scopes, limits)

    def tenant(
        self, name: str, limits: KeyLimits = FILMS, scopes: tuple[Scope, ...] = SCOPES
    ) -> Tenant:
        new = self.new_key(name, limits, scopes)
        http = self.client({"Authorization": f"Bearer {new.secret}"})
        return Tenant(http, new.secret, new.key.actor)

    def client(self, headers: dict[str, str] | None = None) -> httpx2.Client:
        http = httpx2.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S)
        self._opened.append(http)
        return http

    def job(self, job_id: str) -> Job:
        with self.database.reading() as rows:
            return rows.jobs.get("*", job_id)

    def claim(self) -> Lease:
        with self.database.transaction() as rows:
            found = rows.claims.claim("w1", ["a100"])
        assert found is not None
        return found.lease

    def report(self, lease: Lease, percent: float) -> None:
        with self.database.transaction() as rows:
            rows.claims.heartbeat(lease, Progress("upscaling", percent))

    def succeed(self, lease: Lease, folder: Path, body: bytes = b"a larger film") -> Job:
        """End a job as a worker does, with all three files."""
        keys = {}
        for name in ("result.mp4", "poster.jpg", "preview.mp4"):
            path = folder / name
            path.write_bytes(body if name == "result.mp4" else name.encode())
            keys[name] = self.storage.put(
                f"{lease.object_prefix}{name}", path, content_type="video/mp4"
            )
        video = keys["result.mp4"]
        result = JobResult(
            video.key,
            video.size_bytes,
            video.sha256,
            keys["poster.jpg"].key,
            keys["preview.mp4"].key,
            facts={"width_px": 64},
        )
        with self.database.transaction() as rows:
            return rows.claims.succeed(lease, result)

    def stop(self) -> None:
        self._server.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server does not stop"

    def close(self) -> None:
        for http in self._opened:
            http.close()
        with contextlib.suppress(AssertionError):
            self.stop()
        self.services.close()


def settings_of(folder: Path, database_url: str, storage_url: str, **more: object) -> ApiSettings:
    """Settings that take nothing from the environment."""
    return ApiSettings(
        database_url=database_url,
        storage_url=storage_url,
        broker_url=None,
        data_dir=folder,
        host="127.0.0.1",
        port=free_port(),
        **more,  # type: ignore[arg-type]
    )
