"""The one place where a tenant's name bounds what a query can find."""

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import InstrumentedAttribute

from jobs.api_key import EVERY_TENANT


def visible(owner: InstrumentedAttribute[str], tenant: str) -> ColumnElement[bool]:
    """Keep the rows that a tenant owns, or all of them for `EVERY_TENANT`."""
    return true() if tenant == EVERY_TENANT else owner == tenant
