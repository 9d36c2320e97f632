"""Allowances for wrong passwords, on both databases and for many at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.api_key import OPERATOR
from jobs.database import Database
from jobs.errors import ConflictError, LoginThrottledError, RequestInvalidError, UserNotFoundError
from jobs.policy import Policy
from jobs.user import hash_password, is_password
from tests.clock import pass_time
from tests.jobs.conftest import World


def try_once(database: Database, name: str, address: str = "10.0.0.1") -> bool:
    try:
        with database.transaction() as rows:
            rows.logins.spend(name, address)
    except LoginThrottledError as error:
        return error.retry_after_s <= 0
    return True


def test_many_guesses_at_once_are_no_way_round(world: World) -> None:
    database = world.open(Policy(login_tries=3, login_window_s=600))
    with ThreadPoolExecutor(6) as pool:
        let_through = [*pool.map(lambda _: try_once(database, "ada"), range(12))]
    assert let_through.count(True) == 3


def test_allowances_of_names_and_addresses(world: World) -> None:
    database = world.open(Policy(login_tries=2, login_window_s=600))
    assert [try_once(database, "ada") for _ in range(3)] == [True, True, False]
    assert try_once(database, "ada", "10.0.0.2"), "a stranger elsewhere locked nobody out"
    names = [try_once(database, f"name-{n}") for n in range(20)]
    assert 0 < names.count(True) < 12, "one address cannot try all names"
    places = [try_once(database, "ada", f"10.0.1.{n}") for n in range(30)]
    assert 0 < places.count(True) < 20, "and not from everywhere"


def test_allowances_refill(world: World) -> None:
    database = world.open(Policy(login_tries=2, login_window_s=600))
    assert [try_once(database, "ada") for _ in range(3)] == [True, True, False]
    pass_time(database, 300)
    assert try_once(database, "ada")


def test_passwords() -> None:
    hashed = hash_password("correct horse")
    assert hashed.startswith("$argon2id$")
    assert is_password(hashed, "correct horse")
    assert not is_password(hashed, "correct horse ")
    assert not is_password(None, "correct horse")
    assert not is_password("damaged", "correct horse")
    for wrong in ("short", "x" * 201):
        with pytest.raises(RequestInvalidError, match="10 to 200"):
            hash_password(wrong)


def test_users(database: Database) -> None:
    with database.transaction() as rows:
        rows.users.add(OPERATOR, "ada", "admin", "hash")
    with pytest.raises(ConflictError), database.transaction() as rows:
        rows.users.add(OPERATOR, "ada", "reader", "hash")
    with pytest.raises(RequestInvalidError), database.transaction() as rows:
        rows.users.add(OPERATOR, "<b>", "reader", "hash")
    with pytest.raises(UserNotFoundError), database.transaction() as rows:
        rows.users.disable(OPERATOR, "eve")
    with database.transaction() as rows:
        begun = rows.logins.begin("ada", "10.0.0.1")
        assert begun is not None
        rows.users.disable(OPERATOR, "ada")
    with database.reading() as rows:
        assert rows.logins.find(begun[1]) is None
        assert rows.logins.password_hash_of("ada") is None
