"""Where rows, objects and the bell are, read from the environment when a process starts.

Nothing set gives the embedded service: SQLite and folders under one data directory, no broker.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.database import Database
from jobs.errors import SettingsError
from jobs.policy import INPUT_MAX_BYTES, Policy
from jobs.queue import Bell, open_bell
from jobs.storage import Storage, open_storage

if TYPE_CHECKING:
    from jobs.storage.buckets import Buckets


class JobsSettings(BaseSettings):
    """The environment variables of this package, `DATABASE_URL` and so on.

    Use `read_settings`, which explains what is wrong.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, populate_by_name=True)

    # Passwords are part of these, so they do not show up where settings are printed.
    database_url: str | None = Field(default=None, repr=False)
    broker_url: str | None = Field(default=None, repr=False)
    storage_url: str | None = Field(default=None, repr=False)

    buckets_url: str | None = Field(
        default=None, repr=False, validation_alias="FLASHVSR_BUCKETS_URL"
    )
    """Where people's own buckets are; None is the server of an S3 storage."""

    data_dir: Path = Field(default=Path("flashvsr-data"), validation_alias="FLASHVSR_DATA_DIR")
    public_url: str = Field(default="http://127.0.0.1:8000", validation_alias="FLASHVSR_PUBLIC_URL")
    lease_s: float = Field(default=Policy.lease_s, gt=0, validation_alias="FLASHVSR_LEASE_S")
    max_attempts: int = Field(
        default=Policy.max_attempts, ge=1, validation_alias="FLASHVSR_MAX_ATTEMPTS"
    )
    result_kept_s: float = Field(
        default=Policy.result_kept_s, gt=0, validation_alias="FLASHVSR_RESULT_KEPT_S"
    )

    max_input_bytes: int = Field(
        default=INPUT_MAX_BYTES, gt=0, validation_alias="FLASHVSR_MAX_INPUT_BYTES"
    )
    """Larger objects become no jobs; workers read the same variable."""

    batch_window: int = Field(
        default=Policy.batch_window, ge=1, validation_alias="FLASHVSR_BATCH_WINDOW"
    )

    @property
    def database(self) -> str:
        """The database's URL, or that of a file in the data directory."""
        folder = self.data_dir.absolute()
        return self.database_url or f"sqlite:///{folder / 'flashvsr.db'}"

    @property
    def storage(self) -> str:
        """The storage's URL, or that of a folder in the data directory."""
        return self.storage_url or (self.data_dir.absolute() / "storage").as_uri()

    @property
    def policy(self) -> Policy:
        """The policy with what the environment changes."""
        return Policy(
            lease_s=self.lease_s,
            max_attempts=self.max_attempts,
            result_kept_s=self.result_kept_s,
            batch_window=self.batch_window,
        )

    def open_database(self) -> Database:
        """Open the database; after a fork, not before."""
        return Database(self.database, self.policy)

    def open_storage(self) -> Storage:
        """Open the object store."""
        return open_storage(self.storage, self.public_url)

    def open_buckets(self) -> "Buckets | None":
        """Open people's own buckets; None where there is no S3 server."""
        url = self.buckets_url or (self.storage_url or "")
        if self.buckets_url is None and not url.startswith("s3:"):
            return None
        # boto3 takes a third of a second to import; see `open_storage`.
        from jobs.storage.buckets import Buckets

        return Buckets.of_url(url)

    def open_bell(self) -> Bell:
        """Open the bell."""
        return open_bell(self.broker_url)


def read_settings() -> JobsSettings:
    """Read the environment.

    Raises:
        SettingsError: a variable cannot be used; names it.

    """
    try:
        return JobsSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "settings"
        raise SettingsError(f"{name} cannot be used: {first['msg']}.") from error
