"""The tables of the dashboard: who may sign in, who is signed in, and the figures behind plots.

Part of `jobs.tables`, and looked at by the same two: `jobs.repository` and `migrations`.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Double, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from jobs.tables import Table, make_index

ROLES = ("admin", "reader")


class UserRow(Table):
    """A person who may sign in to the dashboard."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    """Argon2id with its parameters and salt, in the usual `$argon2id$…` form."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint(f"role IN ({', '.join(map(repr, ROLES))})", name="role"),)


class SessionRow(Table):
    """A browser that is signed in; it holds the token, of which only the hash is here."""

    __tablename__ = "sessions"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    csrf: Mapped[str]
    """What forms have to send along."""
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        make_index("ix_sessions_user", "user_id"),
        make_index("ix_sessions_expires_at", "expires_at"),
    )


class FirstLinkRow(Table):
    """A link with which somebody may become the first user; of its token only the hash is here."""

    __tablename__ = "first_links"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class LoginAllowanceRow(Table):
    """How many wrong passwords may still be tried for a name, or from an address."""

    __tablename__ = "login_allowances"

    subject: Mapped[str] = mapped_column(primary_key=True)
    """A hash: people type passwords into the wrong field."""
    full_at: Mapped[datetime]
    """When the allowance will be untouched again; see `Logins.spend`."""


class SampleRow(Table):
    """What was measured within one span of time, about one thing."""

    __tablename__ = "samples"

    span_s: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    series: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    """A queue's or a worker's name; empty for the whole farm."""
    at: Mapped[datetime] = mapped_column(primary_key=True)
    """When the span begins."""
    count: Mapped[int]
    total: Mapped[float] = mapped_column(Double)
    peak: Mapped[float] = mapped_column(Double)

    __table_args__ = (make_index("ix_samples_at", "span_s", "at"),)
