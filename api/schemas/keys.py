"""API keys over the wire."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.texts import Name
from jobs.api_key import ApiKey, KeyLimits, NewApiKey, Scope

_MANY = 2**53 - 1


class Limits(BaseModel):
    """What a key may use; null is no limit."""

    model_config = ConfigDict(strict=True, extra="forbid")

    requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000)
    queued_jobs: int | None = Field(default=None, ge=0, le=_MANY)
    pixels: int | None = Field(
        default=None, ge=1, le=_MANY, description="Width times height of an output frame."
    )
    duration_s: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False)
    upload_bytes: int | None = Field(default=None, ge=1, le=_MANY)
    input_prefixes: list[Name] = Field(
        default=[], max_length=100, description="`s3://bucket/…` beginnings that jobs may read."
    )
    output_prefixes: list[Name] = Field(
        default=[], max_length=100, description="`s3://bucket/…` beginnings to write results to."
    )


class NewKey(BaseModel):
    """A key to be made, for the caller's own tenant."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Name = Field(description="For people.", examples=["nightly archive run"])
    scopes: list[Scope] = Field(min_length=1, max_length=10)
    limits: Limits = Field(
        default=Limits(), description="What is left out is as with the key that makes this one."
    )

    def limits_under(self, own: KeyLimits) -> KeyLimits:
        """Fill what was left out with the limits of the key that asks."""
        given = self.limits.model_dump(exclude_unset=True)
        return KeyLimits.from_json(asdict(own) | given)


class KeyOut(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    prefix: str = Field(description="The secret's beginning, to recognise it by.")
    scopes: list[Scope]
    limits: Limits
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> "KeyOut":
        """Copy a key."""
        return cls(**_fields(key))


class NewKeyOut(KeyOut):
    """A key at its creation: its secrets are shown this once."""

    secret: str
    webhook_secret: str = Field(description="Checks this key's webhooks.")

    @classmethod
    def of_new(cls, new: NewApiKey) -> "NewKeyOut":
        """Copy a new key with its secrets."""
        return cls(**_fields(new.key), secret=new.secret, webhook_secret=new.webhook_secret)


class KeyListOut(BaseModel):
    """The tenant's keys, oldest first."""

    keys: list[KeyOut]


def _fields(key: ApiKey) -> dict[str, Any]:
    limits = asdict(key.limits)
    limits["input_prefixes"] = list(key.limits.input_prefixes)
    limits["output_prefixes"] = list(key.limits.output_prefixes)
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "limits": Limits(**limits),
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
