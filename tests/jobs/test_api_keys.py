"""Keys: recognised by their hash, limited, revoked."""

import hashlib
import time

import pytest
from sqlalchemy import text

from jobs.api_key import OPERATOR, KeyLimits
from jobs.database import Database, open_engine
from jobs.errors import KeyInvalidError, RateLimitedError, RequestInvalidError
from tests.jobs.conftest import World


def test_only_the_hash_of_a_key_is_stored(world: World) -> None:
    with world.database.transaction() as rows:
        made = rows.api_keys.create(OPERATOR, "alice", "laptop", ["jobs:read"])
    secret = made.secret
    assert len(secret) == len("fvsr_") + 43, "256 bits"
    assert secret.startswith(made.key.prefix)
    assert secret not in repr(made)
    engine = open_engine(world.database_url)
    with engine.connect() as connection:
        dump = str(connection.execute(text("SELECT * FROM api_keys")).all())
        dump += str(connection.execute(text("SELECT * FROM audit_log")).all())
    engine.dispose()
    assert hashlib.sha256(secret.encode()).hexdigest() in dump
    assert secret not in dump
    with world.database.reading() as rows:
        assert rows.api_keys.authenticate(secret) == made.key
    assert made.key.scopes == {"jobs:read"}


def test_unknown_and_revoked_keys_are_refused(database: Database) -> None:
    with database.transaction() as rows:
        made = rows.api_keys.create(OPERATOR, "alice", "laptop", ["jobs:read"])
    for secret in (made.secret + "x", made.key.prefix, ""):
        with pytest.raises(KeyInvalidError), database.reading() as rows:
            rows.api_keys.authenticate(secret)
    with database.transaction() as rows:
        revoked = rows.api_keys.revoke(made.key.actor, made.key.id)
        assert rows.api_keys.revoke(made.key.actor, made.key.id) == revoked
    with pytest.raises(KeyInvalidError), database.reading() as rows:
        rows.api_keys.authenticate(made.secret)


def test_requests_are_limited_by_the_minute_and_refill_evenly(database: Database) -> None:
    with database.transaction() as rows:
        key = rows.api_keys.create(
            OPERATOR, "alice", "busy", [], KeyLimits(requests_per_minute=120)
        ).key

    def spend() -> float | None:
        """Return how long to wait, where the request is refused."""
        try:
            with database.transaction() as rows:
                rows.api_keys.spend(key)
        except RateLimitedError as refusal:
            return refusal.retry_after_s
        return None

    began = time.monotonic()
    spent = 0
    while (wait_s := spend()) is None:
        spent += 1
    refilled = 2 * (time.monotonic() - began)
    assert 120 <= spent <= 120 + refilled + 1
    assert 0 < wait_s <= 0.5
    time.sleep(wait_s + 0.01)
    assert spend() is None
    assert [spend() is None for _ in range(3)].count(False) >= 2


def test_use_of_an_unlimited_key_is_noted_now_and_then(database: Database) -> None:
    with database.transaction() as rows:
        made = rows.api_keys.create(OPERATOR, "alice", "laptop", [])

    def last_used() -> object:
        with database.reading() as rows:
            return rows.api_keys.authenticate(made.secret).last_used_at

    assert last_used() is None
    with database.transaction() as rows:
        rows.api_keys.spend(made.key)
    first = last_used()
    assert first is not None
    time.sleep(0.01)
    with database.transaction() as rows:
        rows.api_keys.spend(made.key)
    assert last_used() == first


@pytest.mark.parametrize("prefix", ["s3://films", "films/", "https://films/"])
def test_input_prefixes_end_the_bucket(database: Database, prefix: str) -> None:
    with pytest.raises(RequestInvalidError), database.transaction() as rows:
        rows.api_keys.create(OPERATOR, "alice", "x", [], KeyLimits(input_prefixes=(prefix,)))
