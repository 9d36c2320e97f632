"""The pages, one file for each part of the navigation."""

from fastapi import APIRouter

from api.admin.routes import (
    audit,
    batches,
    bulk,
    failures,
    job,
    jobs,
    keys,
    login,
    overview,
    storage,
    submit,
    uploads,
    watches,
    webhooks,
    workers,
)

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    overview.router,
    jobs.router,
    submit.router,
    bulk.router,
    job.router,
    batches.router,
    watches.router,
    workers.router,
    failures.router,
    uploads.router,
    storage.router,
    keys.router,
    webhooks.router,
    audit.router,
)
