"""Keys that nobody could ask for over HTTP: the first one, and those of other tenants."""

from jobs.api_key import EVERY_TENANT, OPERATOR, SCOPES, NewApiKey
from jobs.database import Database

FIRST_TENANT = "default"


def create_first_key(database: Database) -> NewApiKey | None:
    """Make a key that may do everything within one tenant; None where there are keys already.

    Whoever starts an embedded service calls this and shows the secret once.
    """
    with database.transaction() as rows:
        if rows.api_keys.list(EVERY_TENANT):
            return None
        return rows.api_keys.create(OPERATOR, FIRST_TENANT, "first key", SCOPES)
