"""What the API reads from the environment when its process starts."""

from typing import Literal

from pydantic import Field, ValidationError

from jobs.errors import SettingsError
from jobs.settings import JobsSettings
from jobs.storage import Storage, open_storage

_GIB = 1 << 30


class ApiSettings(JobsSettings):
    """The variables of `jobs`, and those of the HTTP side.

    Use `read_settings`, which explains what is wrong.
    """

    host: str = Field(default="127.0.0.1", validation_alias="FLASHVSR_HOST")
    port: int = Field(default=8000, ge=0, le=65535, validation_alias="FLASHVSR_PORT")
    trusted_proxies: str | None = Field(default=None, validation_alias="FLASHVSR_TRUSTED_PROXIES")
    """Addresses, separated by commas, whose X-Forwarded headers are believed; None is nobody's."""
    body_max_bytes: int = Field(default=1 << 20, gt=0, validation_alias="FLASHVSR_BODY_MAX_BYTES")
    """Of a JSON body; videos go to the object store."""
    upload_max_bytes: int = Field(
        default=256 * _GIB, gt=0, validation_alias="FLASHVSR_UPLOAD_MAX_BYTES"
    )
    sha256_max_bytes: int = Field(
        default=8 * _GIB, gt=0, validation_alias="FLASHVSR_SHA256_MAX_BYTES"
    )
    """A sha256 is checked by reading the upload back, which takes too long for larger ones."""
    link_kept_s: float = Field(
        default=3600, gt=0, le=604_800, validation_alias="FLASHVSR_LINK_KEPT_S"
    )
    """How long signed links work."""
    wait_max_s: float = Field(default=60, gt=0, validation_alias="FLASHVSR_WAIT_MAX_S")
    stream_max_s: float = Field(default=3600, gt=0, validation_alias="FLASHVSR_STREAM_MAX_S")
    """Event streams end after so long; their readers come back by themselves."""
    watchers_max: int = Field(default=500, gt=0, validation_alias="FLASHVSR_WATCHERS_MAX")
    """Long polls and event streams at the same time."""

    events_secret: str | None = Field(
        default=None, min_length=16, repr=False, validation_alias="FLASHVSR_EVENTS_SECRET"
    )
    """With it a store may post events for all watches; each watch has one of its own besides."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="FLASHVSR_LOG_LEVEL"
    )

    @property
    def link_url(self) -> str:
        """Where links to local folders lead: the public address, or the one that is bound."""
        if "public_url" in self.model_fields_set:
            return self.public_url
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def open_storage(self) -> Storage:
        """Open the object store, whose links lead to this process where it is a folder."""
        return open_storage(self.storage, self.link_url)


def read_settings() -> ApiSettings:
    """Read the environment.

    Raises:
        SettingsError: a variable cannot be used; names it.

    """
    try:
        return ApiSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "settings"
        raise SettingsError(f"{name} cannot be used: {first['msg']}.") from error
