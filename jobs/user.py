"""People who sign in to the dashboard, and how their passwords are kept."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from threading import BoundedSemaphore
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from jobs.api_key import EVERY_TENANT, Actor
from jobs.errors import RequestInvalidError

Role = Literal["admin", "reader"]
ROLES: tuple[Role, ...] = get_args(Role)

PASSWORD_MIN = 10
PASSWORD_MAX = 200
"""Hashing takes time that grows with the length."""

# Argon2id with the parameters of RFC 9106 for little memory: 64 MiB, 3 passes.
_hasher = PasswordHasher()
# Many strangers who sign in at once must not take all the memory.
_turn = BoundedSemaphore(2)


@dataclass(frozen=True)
class User:
    """A person who may sign in."""

    id: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None

    @property
    def actor(self) -> Actor:
        """The person as the one who acts: on everything, under the own name."""
        return Actor(f"user:{self.name}", EVERY_TENANT)


@dataclass(frozen=True)
class DashboardSession:
    """A browser that is signed in."""

    user: User
    csrf: str = field(repr=False)
    sha256: str = field(repr=False)
    created_at: datetime
    expires_at: datetime
    is_to_be_noted: bool = False
    """Whether it should be written down that the session is in use; see `Logins.seen`."""


def new_token() -> str:
    """Make 256 random bits that fit into a cookie and a link."""
    return secrets.token_urlsafe(32)


def sha256_of_token(token: str) -> str:
    """Hash a token as it is stored; 256 random bits need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Hash a password with argon2id; takes a few hundredths of a second, on purpose.

    Raises:
        RequestInvalidError: it is too short or too long.

    """
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise RequestInvalidError(
            f"Take a password of {PASSWORD_MIN} to {PASSWORD_MAX} characters; a few words do well."
        )
    with _turn:
        return _hasher.hash(password)


def is_password(password_hash: str | None, password: str) -> bool:
    """Tell whether it is the password; as slowly for a user who does not exist."""
    known = password_hash or _hash_of_nothing()
    try:
        with _turn:
            is_right = _hasher.verify(known, password[: PASSWORD_MAX + 1])
    except (VerificationError, InvalidHashError):
        return False
    return is_right and password_hash is not None


@cache
def _hash_of_nothing() -> str:
    return _hasher.hash(new_token())
