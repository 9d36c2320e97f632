"""How the tables came to be, step by step; `migrate` brings a database up to date."""

from migrations.migrate import current_revision, migrate

__all__ = ["current_revision", "migrate"]
