"""Every page of the dashboard, over a seeded farm: for the eyes of axe and of people."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import update

from jobs.api_key import OPERATOR
from jobs.database import open_engine
from jobs.tables import WorkerRow
from jobs.user import hash_password
from tests.api.world import World, settings_of
from tests.browser.seed import Seed
from tests.browser.service import PASSWORD

PAGES = {
    "overview": "/",
    "jobs": "/jobs",
    "jobs-filtered": "/jobs?state=failed&tenant=archive",
    "bulk": "/jobs/bulk?action=retry&state=failed",
    "job": "/jobs/{film}",
    "job-running": "/jobs/{running}",
    "job-failed": "/jobs/{failed}",
    "submit": "/submit",
    "batches": "/batches",
    "batch": "/batches/{batch}",
    "watches": "/watches",
    "watch": "/watches/{watch}",
    "workers": "/workers",
    "failures": "/failures",
    "uploads": "/uploads",
    "storage": "/storage",
    "keys": "/keys",
    "webhooks": "/webhooks",
    "audit": "/audit",
    "account": "/account",
    "confirm": "/jobs/{queued}/cancel",
}


@dataclass(frozen=True)
class Tour:
    """A service with enough in it, and somebody who may see all of it."""

    world: World
    pages: dict[str, str]
    cookie: dict[str, str]

    def beat(self) -> None:
        """Have the workers be heard of now; a minute of silence is a fault."""
        engine = open_engine(self.world.settings.database)
        with engine.begin() as connection:
            connection.execute(update(WorkerRow).values(heartbeat_at=datetime.now(UTC)))
        engine.dispose()

    @property
    def url(self) -> str:
        return self.world.url


@contextmanager
def open_tour(folder: Path, empty_database: Path) -> Iterator[Tour]:
    """Start a service without workers, so that nothing moves while one looks."""
    path = folder / "flashvsr.db"
    shutil.copyfile(empty_database, path)
    store = (folder / "store").as_uri()
    world = World(settings_of(folder, f"sqlite:///{path}", store))
    try:
        seed = Seed(world, folder)
        with world.database.transaction() as rows:
            rows.users.add(OPERATOR, "ada", "admin", hash_password(PASSWORD))
            begun = rows.logins.begin("ada", "127.0.0.1")
        assert begun is not None
        pages = {name: f"/admin{page.format_map(seed.ids)}" for name, page in PAGES.items()}
        cookie = {"name": "flashvsr_session", "value": begun[1], "url": world.url}
        yield Tour(world, pages, cookie)
    finally:
        world.close()
