"""Users of the dashboard: added, disabled, given passwords."""

import re

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jobs.api_key import EVERY_TENANT, Actor
from jobs.clock import later, now
from jobs.dashboard_tables import FirstLinkRow, UserRow
from jobs.errors import (
    ConflictError,
    FirstLinkInvalidError,
    RequestInvalidError,
    UserNotFoundError,
)
from jobs.identifiers import new_id
from jobs.policy import Policy
from jobs.repository.audit_log import record
from jobs.repository.logins import end_sessions
from jobs.repository.user_rows import user_of
from jobs.user import Role, User, new_token, sha256_of_token


class Users:
    """People; they belong to no tenant and see all of them."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def add(self, actor: Actor, name: str, role: Role, password_hash: str) -> User:
        """Add a user, whose password the caller has hashed before the transaction.

        Raises:
            RequestInvalidError: the name cannot be used.
            ConflictError: there is one of that name.

        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", name):
            raise RequestInvalidError(
                f"{name!r} is no name of a user; use up to 64 letters, digits, - _ @ and dots."
            )
        try:
            with self._session.begin_nested():
                row = self._session.scalars(
                    insert(UserRow)
                    .values(
                        id=new_id("usr"),
                        name=name,
                        role=role,
                        password_hash=password_hash,
                        created_at=now(),
                    )
                    .returning(UserRow)
                ).one()
        except IntegrityError as error:
            raise ConflictError(f"There is a user {name} already; choose another name.") from error
        record(self._session, actor, "user.added", row.id, EVERY_TENANT, name=name, role=role)
        return user_of(row)

    def list(self) -> "list[User]":
        """List all users by name, also disabled ones."""
        query = select(UserRow).order_by(UserRow.name)
        return [user_of(row) for row in self._session.scalars(query)]

    def exist(self) -> bool:
        """Tell whether there is any user."""
        return self._session.scalar(select(UserRow.id).limit(1)) is not None

    def set_password(self, actor: Actor, name: str, password_hash: str) -> User:
        """Give a user another password and sign all of the user's browsers out.

        Raises:
            UserNotFoundError: there is none of that name.

        """
        row = self._change(name, password_hash=password_hash)
        end_sessions(self._session, row.id)
        record(self._session, actor, "user.password_changed", row.id, EVERY_TENANT, name=name)
        return user_of(row)

    def disable(self, actor: Actor, name: str) -> User:
        """Let a user in no more, and sign all of the user's browsers out.

        Raises:
            UserNotFoundError: there is none of that name.

        """
        row = self._change(name, disabled_at=now())
        end_sessions(self._session, row.id)
        record(self._session, actor, "user.disabled", row.id, EVERY_TENANT, name=name)
        return user_of(row)

    def make_first_link(self) -> str | None:
        """Make a token that lets somebody become the first user; None where there are users.

        It works once and for `policy.first_link_s`.
        """
        if self.exist():
            return None
        token = new_token()
        self._session.execute(
            insert(FirstLinkRow).values(
                sha256=sha256_of_token(token), expires_at=later(now(), self._policy.first_link_s)
            )
        )
        return token

    def is_first_link(self, token: str) -> bool:
        """Tell whether a token could be used now."""
        query = select(FirstLinkRow.sha256).where(
            FirstLinkRow.sha256 == sha256_of_token(token), FirstLinkRow.expires_at > now()
        )
        return self._session.scalar(query) is not None and not self.exist()

    def use_first_link(self, token: str, name: str, password_hash: str) -> User:
        """Become the first user, an admin.

        Raises:
            FirstLinkInvalidError: it is unknown, used or expired, or there is a user already.
            RequestInvalidError: the name cannot be used.

        """
        # All links end with the first that is used; who comes second waits here and finds none.
        links = self._session.scalars(
            select(FirstLinkRow).with_for_update().order_by(FirstLinkRow.sha256)
        ).all()
        digest = sha256_of_token(token)
        if not self.is_first_link(token) or all(link.sha256 != digest for link in links):
            raise FirstLinkInvalidError(
                "This link was used or has expired; restart the service for another one, or run"
                " 'python -m api users add'."
            )
        self._session.execute(delete(FirstLinkRow))
        return self.add(Actor(f"user:{name}", EVERY_TENANT), name, "admin", password_hash)

    def _change(self, name: str, **values: object) -> UserRow:
        row: UserRow | None = self._session.scalar(
            update(UserRow).where(UserRow.name == name).values(**values).returning(UserRow)
        )
        if row is None:
            raise UserNotFoundError(
                f"There is no user {name}; 'python -m api users list' lists those there are."
            )
        return row
