"""API keys: made, recognised, charged, revoked."""

import re
from collections.abc import Collection

from sqlalchemy import case, insert, or_, select, update
from sqlalchemy.orm import Session

from jobs.api_key import (
    EVERY_TENANT,
    Actor,
    ApiKey,
    KeyLimits,
    NewApiKey,
    Scope,
    new_secret,
    sha256_of_secret,
)
from jobs.clock import later, now
from jobs.errors import (
    KeyInvalidError,
    KeyNotFoundError,
    RateLimitedError,
    RequestInvalidError,
)
from jobs.identifiers import new_id
from jobs.repository.audit_log import record
from jobs.repository.rows import api_key_of
from jobs.repository.visibility import visible
from jobs.tables import ApiKeyRow
from jobs.webhook import new_webhook_secret

_SHOWN = len("fvsr_") + 6
_MINUTE_S = 60.0


class ApiKeys:
    """Keys of one tenant, or of all."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        actor: Actor,
        tenant: str,
        name: str,
        scopes: Collection[Scope],
        limits: KeyLimits | None = None,
    ) -> NewApiKey:
        """Make a key; its secrets are in the answer and can never be read again.

        Raises:
            RequestInvalidError: the tenant's name or a prefix cannot be used.

        """
        assert actor.tenant in (EVERY_TENANT, tenant), "nobody makes keys for others"
        limits = limits or KeyLimits()
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", tenant):
            raise RequestInvalidError(
                f"{tenant!r} is no name of a tenant; use up to 64 letters, digits, - _ and dots."
            )
        for prefix in (*limits.input_prefixes, *limits.output_prefixes):
            # Without the slash, s3://films would open s3://films-of-others too.
            if not re.fullmatch(r"s3://[^/]+/.*", prefix):
                raise RequestInvalidError(
                    f"{prefix!r} is no prefix of addresses; it must look like s3://bucket/ or"
                    " s3://bucket/folder/."
                )
        secret, webhook_secret = new_secret(), new_webhook_secret()
        row = self._session.scalars(
            insert(ApiKeyRow)
            .values(
                id=new_id("key"),
                tenant=tenant,
                name=name,
                prefix=secret[:_SHOWN],
                sha256=sha256_of_secret(secret),
                webhook_secret=webhook_secret,
                scopes=sorted(scopes),
                limits=limits.as_json(),
                created_at=now(),
            )
            .returning(ApiKeyRow)
        ).one()
        record(self._session, actor, "api_key.created", row.id, tenant, scopes=sorted(scopes))
        return NewApiKey(api_key_of(row), secret, webhook_secret)

    def authenticate(self, secret: str) -> ApiKey:
        """Find the key that a secret belongs to.

        Raises:
            KeyInvalidError: there is none, or it was revoked.

        """
        row = self._session.scalar(
            select(ApiKeyRow).where(
                ApiKeyRow.sha256 == sha256_of_secret(secret), ApiKeyRow.revoked_at.is_(None)
            )
        )
        if row is None:
            raise KeyInvalidError("The API key is unknown or revoked; ask for a new one.")
        return api_key_of(row)

    def spend(self, key: ApiKey) -> None:
        """Charge one request to a key.

        The allowance refills evenly and holds at most one minute's worth. Only one moment is
        stored, when it will be full again: the generic cell rate algorithm.

        Raises:
            RateLimitedError: the allowance is used up.

        """
        allowed = key.limits.requests_per_minute
        this_key = ApiKeyRow.id == key.id
        if allowed is None:
            # Only what a person would notice is written, so that reading stays reading.
            idle = or_(
                ApiKeyRow.last_used_at.is_(None),
                ApiKeyRow.last_used_at < later(now(), -_MINUTE_S),
            )
            self._session.execute(
                update(ApiKeyRow).where(this_key, idle).values(last_used_at=now())
            )
            return
        cost_s = _MINUTE_S / allowed
        begin = case((ApiKeyRow.rate_full_at > now(), ApiKeyRow.rate_full_at), else_=now())
        spent = self._session.scalar(
            update(ApiKeyRow)
            .where(
                this_key,
                or_(
                    ApiKeyRow.rate_full_at.is_(None),
                    ApiKeyRow.rate_full_at <= later(now(), _MINUTE_S - cost_s),
                ),
            )
            .values(rate_full_at=later(begin, cost_s), last_used_at=now())
            .returning(ApiKeyRow.id)
        )
        if spent is None:
            full_at, at = self._session.execute(
                select(ApiKeyRow.rate_full_at, now()).where(this_key)
            ).one()
            assert full_at is not None, "a key that never was charged has its whole allowance"
            wait_s = max(0.0, (full_at - at).total_seconds() - _MINUTE_S + cost_s)
            raise RateLimitedError(
                f"This API key allows {allowed} requests a minute; wait {wait_s:.1f} s.", wait_s
            )

    def list(self, tenant: str) -> "list[ApiKey]":
        """List keys, also revoked ones, oldest first."""
        query = select(ApiKeyRow).where(visible(ApiKeyRow.tenant, tenant)).order_by(ApiKeyRow.id)
        return [api_key_of(row) for row in self._session.scalars(query)]

    def revoke(self, actor: Actor, key_id: str) -> ApiKey:
        """Make a key useless from now on; its jobs go on.

        Raises:
            KeyNotFoundError: there is none that this tenant can see.

        """
        row = self._session.scalar(
            select(ApiKeyRow)
            .where(ApiKeyRow.id == key_id, visible(ApiKeyRow.tenant, actor.tenant))
            .with_for_update()
        )
        if row is None:
            raise KeyNotFoundError(f"There is no API key {key_id}.")
        if row.revoked_at is None:
            row = self._session.scalars(
                update(ApiKeyRow)
                .where(ApiKeyRow.id == key_id)
                .values(revoked_at=now())
                .returning(ApiKeyRow)
            ).one()
            record(self._session, actor, "api_key.revoked", key_id, row.tenant)
        return api_key_of(row)
