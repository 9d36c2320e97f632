"""The application, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from api import handlers
from api.admin.main import create_admin
from api.metrics import request_seconds
from api.middleware import BodyLimit, RequestFrame
from api.openapi import describe
from api.routes import (
    batches,
    documents,
    events,
    health,
    jobs,
    keys,
    notifications,
    objects,
    results,
    uploads,
    watches,
)
from api.services import Services
from api.settings import ApiSettings, read_settings
from api.watch import Watchers
from jobs.storage.local import LocalStorage


def create_app(settings: ApiSettings | None = None, services: Services | None = None) -> FastAPI:
    """Put the application together; the database must be migrated.

    Args:
        settings: what the environment says where it is None.
        services: to share the bell with a worker in the same process.

    Raises:
        SettingsError: a setting cannot be used.
        StorageError: the folder of a local store cannot be made.

    """
    opened = services or Services.open(settings or read_settings())
    registry = CollectorRegistry()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if services is None:
            opened.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, telemetry={"tracing": False})
    app.state.services = opened
    app.state.watchers = Watchers(opened.settings.watchers_max)
    app.state.registry = registry
    app.add_middleware(BodyLimit, max_bytes=opened.settings.body_max_bytes)
    app.add_middleware(RequestFrame, seconds=request_seconds(registry))
    handlers.install(app)

    bulk = (batches, watches, notifications)
    for module in (uploads, jobs, events, *bulk, results, keys, health, documents):
        app.include_router(module.router)
    if isinstance(opened.storage, LocalStorage):
        app.include_router(objects.router)
    describe(app)
    app.mount("/admin", create_admin(opened))
    return app
