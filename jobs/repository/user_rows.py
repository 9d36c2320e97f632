"""Rows of users into the frozen things that leave this package."""

from typing import cast

from jobs.dashboard_tables import SessionRow, UserRow
from jobs.user import DashboardSession, Role, User


def user_of(row: UserRow) -> User:
    """Copy a user's row, without the password's hash."""
    return User(row.id, row.name, cast(Role, row.role), row.created_at, row.disabled_at)


def session_of(row: SessionRow, user: UserRow, *, is_to_be_noted: bool = False) -> DashboardSession:
    """Copy a session's row."""
    return DashboardSession(
        user_of(user), row.csrf, row.sha256, row.created_at, row.expires_at, is_to_be_noted
    )
