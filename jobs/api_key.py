"""API keys: who may do what, for which tenant, and how much of it."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Literal, get_args

Scope = Literal["jobs:read", "jobs:write", "uploads:write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

EVERY_TENANT: Final = "*"
"""In place of a tenant's name: the operator, who sees everything. No tenant can have this name."""


@dataclass(frozen=True)
class KeyLimits:
    """What one key may use; None is no limit."""

    requests_per_minute: int | None = None
    queued_jobs: int | None = None
    pixels: int | None = None
    """Width times height of one output frame."""
    duration_s: float | None = None
    upload_bytes: int | None = None
    input_prefixes: tuple[str, ...] = ()
    """Beginnings of the `s3://bucket/…` addresses that jobs may read from."""
    output_prefixes: tuple[str, ...] = ()
    """Beginnings of those that jobs and reports may be written to."""

    def as_json(self) -> dict[str, Any]:
        """Give plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "KeyLimits":
        """Read what `as_json` gave, also that of another release."""
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        prefixes = ("input_prefixes", "output_prefixes")
        return cls(**values | {name: tuple(values.get(name, ())) for name in prefixes})


@dataclass(frozen=True)
class Actor:
    """Who changes something: named in the audit log, bounded by a tenant."""

    name: str
    tenant: str
    key_id: str | None = None
    limits: KeyLimits = field(default_factory=KeyLimits)


OPERATOR: Final = Actor("operator", EVERY_TENANT)
SWEEPER: Final = Actor("sweeper", EVERY_TENANT)


@dataclass(frozen=True)
class ApiKey:
    """A key as it is stored: without the secret itself."""

    id: str
    tenant: str
    name: str
    prefix: str
    """The secret's beginning, to recognise it by."""
    scopes: frozenset[Scope]
    limits: KeyLimits
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def actor(self) -> Actor:
        """The key as the one who acts."""
        return Actor(self.id, self.tenant, self.id, self.limits)


@dataclass(frozen=True)
class NewApiKey:
    """A key at its creation, the only time that its secrets are known."""

    key: ApiKey
    secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    """Signs this key's webhooks; `whsec_…`."""


def new_secret() -> str:
    """Make a key of 256 random bits."""
    return f"fvsr_{secrets.token_urlsafe(32)}"


def sha256_of_secret(secret: str) -> str:
    """Hash a key as it is stored; without salt or stretching, which 256 random bits do not need."""
    return hashlib.sha256(secret.encode()).hexdigest()
