"""The same two worlds as for the API."""

from tests.api.conftest import alice, embedded, farm, make_embedded, world

__all__ = ["alice", "embedded", "farm", "make_embedded", "world"]
