"""The API's two worlds, with people who sign in to the dashboard."""

import pytest

from jobs.api_key import OPERATOR
from jobs.user import Role, hash_password
from tests.admin.browser import Browser
from tests.api.conftest import alice, bob, embedded, farm, make_embedded, world
from tests.api.world import World

__all__ = ["alice", "bob", "embedded", "farm", "make_embedded", "world"]

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Made once, because hashing is slow on purpose."""
    return hash_password(PASSWORD)


def add_user(world: World, name: str, role: Role, password_hash: str) -> None:
    with world.database.transaction() as rows:
        rows.users.add(OPERATOR, name, role, password_hash)


def sign_in(world: World, name: str) -> Browser:
    """Sign a browser in without the form, which has tests of its own."""
    with world.database.transaction() as rows:
        begun = rows.logins.begin(name, "127.0.0.1")
    assert begun is not None
    return Browser(world, begun[1])


@pytest.fixture
def admin(world: World, password_hash: str) -> Browser:
    add_user(world, "ada", "admin", password_hash)
    return sign_in(world, "ada")


@pytest.fixture
def reader(world: World, password_hash: str) -> Browser:
    add_user(world, "ron", "reader", password_hash)
    return sign_in(world, "ron")


@pytest.fixture
def embedded_admin(embedded: World, password_hash: str) -> Browser:
    add_user(embedded, "ada", "admin", password_hash)
    return sign_in(embedded, "ada")
