"""Moving a database from one revision to another, from code; `alembic.ini` does it by hand."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from jobs.database import open_engine


def migrate(database_url: str, revision: str = "head") -> None:
    """Bring a database to a revision; processes that do it at the same time wait for one another.

    Args:
        database_url: as in `DATABASE_URL`.
        revision: `head` for the newest tables, `base` for none at all, or a revision's name.

    """
    config = alembic_config(database_url)
    if revision == "head" or revision in _newer_revisions(database_url):
        command.upgrade(config, revision)
    else:
        command.downgrade(config, revision)


def current_revision(database_url: str) -> str | None:
    """Return the revision that a database is at; None where it has no tables."""
    engine = open_engine(database_url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def alembic_config(database_url: str) -> Config:
    """Make what `alembic.ini` would say, for a database given here."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def _newer_revisions(database_url: str) -> set[str]:
    current = current_revision(database_url)
    scripts = ScriptDirectory.from_config(alembic_config(database_url))
    every = [script.revision for script in scripts.walk_revisions()]
    return set(every if current is None else every[: every.index(current)])
