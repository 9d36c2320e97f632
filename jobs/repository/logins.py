"""Signing in and out: tries that are paid for in advance, sessions that end by the clock."""

import hashlib

from sqlalchemy import case, delete, insert, select, update
from sqlalchemy.orm import Session

from jobs.api_key import EVERY_TENANT
from jobs.clock import later, now
from jobs.dashboard_tables import FirstLinkRow, LoginAllowanceRow, SessionRow, UserRow
from jobs.errors import LoginThrottledError
from jobs.policy import Policy
from jobs.repository.audit_log import record
from jobs.repository.upserts import insert_into
from jobs.repository.user_rows import session_of, user_of
from jobs.user import DashboardSession, User, new_token, sha256_of_token

_SEEN_EVERY_S = 60.0
"""How exactly it is known when a session was last used; reading shall stay reading."""


class Logins:
    """Sessions, and how often a wrong password may be tried."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def spend(self, name: str, address: str) -> None:
        """Pay for one try at a password, before it is looked at; commit before looking.

        The allowances refill evenly: one for the name at this address, one for the address, and a
        larger one for the name, so that a stranger elsewhere cannot easily lock a person out.

        Raises:
            LoginThrottledError: one of them is used up.

        """
        tries = self._policy.login_tries
        for subject, allowed in (
            (f"address {address}", tries * 6),
            (f"both {name} {address}", tries),
            (f"name {name}", tries * 10),
        ):
            self._spend_one(_hashed(subject), allowed)

    def _spend_one(self, subject: str, allowed: int) -> None:
        window_s = self._policy.login_window_s
        cost_s = window_s / allowed
        full_at = LoginAllowanceRow.full_at
        spent = self._session.scalar(
            insert_into(self._session, LoginAllowanceRow)
            .values(subject=subject, full_at=later(now(), cost_s))
            .on_conflict_do_update(
                index_elements=["subject"],
                set_={"full_at": later(case((full_at > now(), full_at), else_=now()), cost_s)},
                where=full_at <= later(now(), window_s - cost_s),
            )
            .returning(LoginAllowanceRow.subject)
        )
        if spent is None:
            ends, at = self._session.execute(
                select(full_at, now()).where(LoginAllowanceRow.subject == subject)
            ).one()
            wait_s = max(1.0, (ends - at).total_seconds() - window_s + cost_s)
            raise LoginThrottledError(
                f"Too many wrong passwords; wait {wait_s:.0f} seconds and try again.", wait_s
            )

    def password_hash_of(self, name: str) -> str | None:
        """Read what a password is held against; None where nobody of that name may sign in."""
        return self._session.scalar(
            select(UserRow.password_hash).where(UserRow.name == name, UserRow.disabled_at.is_(None))
        )

    def begin(self, name: str, address: str) -> tuple[DashboardSession, str] | None:
        """Sign a browser in whose password was right; return its session and its token.

        None where the user was disabled meanwhile.
        """
        user = self._session.scalar(
            select(UserRow).where(UserRow.name == name, UserRow.disabled_at.is_(None))
        )
        if user is None:
            return None
        subjects = [_hashed(f"both {name} {address}"), _hashed(f"name {name}")]
        self._session.execute(
            delete(LoginAllowanceRow).where(LoginAllowanceRow.subject.in_(subjects))
        )
        token = new_token()
        row = self._session.scalars(
            insert(SessionRow)
            .values(
                sha256=sha256_of_token(token),
                user_id=user.id,
                csrf=new_token(),
                created_at=now(),
                seen_at=now(),
                expires_at=later(now(), self._policy.session_max_s),
            )
            .returning(SessionRow)
        ).one()
        record(self._session, user_of(user).actor, "user.signed_in", user.id, EVERY_TENANT)
        return session_of(row, user), token

    def find(self, token: str) -> DashboardSession | None:
        """Find the session of a token; None where there is none, or where it has ended."""
        found = self._session.execute(
            select(SessionRow, UserRow, SessionRow.seen_at < later(now(), -_SEEN_EVERY_S))
            .join(UserRow, UserRow.id == SessionRow.user_id)
            .where(
                SessionRow.sha256 == sha256_of_token(token),
                SessionRow.expires_at > now(),
                SessionRow.seen_at > later(now(), -self._policy.session_idle_s),
                UserRow.disabled_at.is_(None),
            )
        ).first()
        if found is None:
            return None
        return session_of(found[0], found[1], is_to_be_noted=found[2])

    def seen(self, found: DashboardSession) -> None:
        """Write down that a session is in use, which keeps it from ending early."""
        self._session.execute(
            update(SessionRow).where(SessionRow.sha256 == found.sha256).values(seen_at=now())
        )

    def end(self, found: DashboardSession) -> None:
        """Sign one browser out."""
        self._session.execute(delete(SessionRow).where(SessionRow.sha256 == found.sha256))
        record(self._session, found.user.actor, "user.signed_out", found.user.id, EVERY_TENANT)

    def end_all(self, user: User) -> int:
        """Sign all browsers of a user out; return how many there were."""
        record(self._session, user.actor, "user.signed_out_everywhere", user.id, EVERY_TENANT)
        return end_sessions(self._session, user.id)

    def forget_ended(self) -> int:
        """Delete sessions, links and allowances that the clock has ended."""
        statements = (
            delete(SessionRow).where(SessionRow.expires_at <= now()).returning(SessionRow.sha256),
            delete(FirstLinkRow)
            .where(FirstLinkRow.expires_at <= now())
            .returning(FirstLinkRow.sha256),
            delete(LoginAllowanceRow)
            .where(LoginAllowanceRow.full_at <= now())
            .returning(LoginAllowanceRow.subject),
        )
        return sum(len(self._session.scalars(statement).all()) for statement in statements)


def end_sessions(session: Session, user_id: str) -> int:
    """Sign all browsers of a user out; return how many there were."""
    ended = delete(SessionRow).where(SessionRow.user_id == user_id).returning(SessionRow.sha256)
    return len(session.scalars(ended).all())


def _hashed(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()
