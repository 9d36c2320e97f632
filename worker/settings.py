"""What a worker process is told by its environment; read when it starts, never at import."""

import socket
import tempfile
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.errors import SettingsError
from jobs.policy import INPUT_MAX_BYTES
from jobs.repository.claims import PIPELINES
from jobs.request import DEFAULT_QUEUE, Pipeline


class WorkerSettings(BaseSettings):
    """The worker's environment variables; each field's name in capitals after `FLASHVSR_`.

    Use `read_worker_settings`, which explains what is wrong.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, env_prefix="FLASHVSR_")

    weights: str = "nano"
    """The weights folder, or the name of a model that comes with the engine."""
    model_version: Literal["v1", "v1.1"] | None = None
    """Of the weights, where their manifest does not tell."""
    device: str = "auto"
    """auto, cuda, cuda:N or cpu."""
    attention: str = "auto"

    worker_name: str = Field(default_factory=socket.gethostname)
    """Unique among the machines and containers that share a database."""
    gpu: str = "0"
    """Which of this machine's GPUs this process has; set by the supervisor."""
    queues: str = DEFAULT_QUEUE
    """The GPU classes that are served, with commas between them."""
    pipelines: str = ",".join(PIPELINES)
    """The pipelines that are served; the first one is loaded at the start."""

    poll_s: float = Field(default=1.0, gt=0)
    """How often the database is asked for work where there is no broker."""
    look_s: float = Field(default=15.0, gt=0)
    """How often the database is asked although no bell rang."""
    progress_s: float = Field(default=1.0, gt=0)
    """How often progress is written, the lease renewed and a cancel noticed."""
    patience_s: float = Field(default=60.0, ge=0)
    """How long storage or database may be away before an attempt is given up."""
    scratch: Path = Field(default_factory=lambda: Path(tempfile.gettempdir()) / "flashvsr-scratch")
    """Holds one folder per attempt while it runs."""

    max_input_bytes: int = Field(default=INPUT_MAX_BYTES, gt=0)
    max_input_pixels: int = Field(default=8192 * 8192, gt=0)
    """Width times height of one input frame."""
    max_output_pixels: int = Field(default=8192 * 8192, gt=0)
    """Width times height of one output frame."""
    max_duration_s: float = Field(default=6 * 3600.0, gt=0)
    retry_tile_px: int = Field(default=768, gt=0, multiple_of=128)
    """Side of the tiles with which a job is tried again after the memory was not enough."""

    engine: Literal["flashvsr", "stub"] = "flashvsr"
    allow_stub: bool = False
    """Must be set too where the engine is the stub: its results are not enlarged."""
    stub_chunks: int = Field(default=1, ge=1)
    stub_chunk_s: float = Field(default=0.0, ge=0)
    stub_result_bytes: int = Field(default=0, ge=0)
    """Makes the stub's results at least so large."""

    log_format: Literal["text", "json"] = "text"

    @model_validator(mode="after")
    def _check(self) -> Self:
        unknown = set(self.served_pipelines) - set(PIPELINES)
        if unknown or not self.served_pipelines:
            raise ValueError(f"FLASHVSR_PIPELINES must name some of {', '.join(PIPELINES)}")
        if not self.served_queues:
            raise ValueError("FLASHVSR_QUEUES must name at least one queue")
        if self.engine == "stub" and not self.allow_stub:
            raise ValueError(
                "FLASHVSR_ENGINE=stub does not enlarge anything; set FLASHVSR_ALLOW_STUB=1 where"
                " that is wanted, as in a load test"
            )
        return self

    @property
    def served_queues(self) -> tuple[str, ...]:
        """The queues by name."""
        return _split(self.queues)

    @property
    def served_pipelines(self) -> tuple[Pipeline, ...]:
        """The pipelines by name."""
        return cast(tuple[Pipeline, ...], _split(self.pipelines))

    @property
    def worker_id(self) -> str:
        """Name this process in the database."""
        return f"{self.worker_name}:{self.gpu}"

    @property
    def own_scratch(self) -> Path:
        """This process's own folder for files that live as long as an attempt."""
        return self.scratch / self.worker_name.replace("/", "-") / self.gpu.replace("/", "-")


class SweeperSettings(BaseSettings):
    """The sweeper's environment variables; see `WorkerSettings`."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, env_prefix="FLASHVSR_")

    sweep_s: float = Field(default=2.0, gt=0)
    """How often leases, the outbox and expired results are looked at."""
    ring_s: float = Field(default=10.0, gt=0)
    """How often the bell rings again for jobs that wait."""
    orphans_s: float = Field(default=3600.0, gt=0)
    """How often the whole store is searched for objects that belong to nobody."""
    webhook_timeout_s: float = Field(default=10.0, gt=0)
    """For one delivery from the name's look-up to the answer's first line."""
    max_input_bytes: int = Field(default=INPUT_MAX_BYTES, gt=0)
    """Larger objects of a batch are refused before a worker sees them."""
    manifest_max_bytes: int = Field(default=2**30, gt=0)
    batch_lines_max: int = Field(default=1_000_000, gt=0)
    webhook_private: bool = False
    """Whether webhooks may go to addresses that are not public."""
    log_format: Literal["text", "json"] = "text"


class EventSettings(BaseSettings):
    """The environment variables of the process that takes events; see `WorkerSettings`."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, env_prefix="FLASHVSR_")

    events_queue_url: str = ""
    """SQS queues that stores write to, with commas between them; none where only prefixes are
    listed."""
    events_endpoint: str | None = None
    """Of the queues' server; None is Amazon's."""
    events_region: str | None = None
    """None is what AWS_DEFAULT_REGION says."""
    events_wait_s: int = Field(default=20, ge=0, le=20)
    """How long one request waits for messages."""
    events_visibility_s: int = Field(default=120, ge=1, le=43_200)
    """How long nobody else gets a message that was received and not deleted."""
    events_receives_max: int = Field(default=5, ge=1)
    """A message that cannot be dealt with is put aside when it has come so often."""
    events_at_once: int = Field(default=4, ge=1, le=64)
    """Messages, or listed keys, that are dealt with at the same time."""
    list_s: float = Field(default=3600.0, gt=0)
    """How often each watched prefix is listed for what no event told of."""
    log_format: Literal["text", "json"] = "text"

    @property
    def queue_urls(self) -> tuple[str, ...]:
        """The queues."""
        return _split(self.events_queue_url)


def read_worker_settings() -> WorkerSettings:
    """Read the environment.

    Raises:
        SettingsError: a variable cannot be used; names it.

    """
    try:
        return WorkerSettings()
    except ValidationError as error:
        raise _explained(error) from error


def read_sweeper_settings() -> SweeperSettings:
    """Read the environment.

    Raises:
        SettingsError: a variable cannot be used; names it.

    """
    try:
        return SweeperSettings()
    except ValidationError as error:
        raise _explained(error) from error


def read_event_settings() -> EventSettings:
    """Read the environment.

    Raises:
        SettingsError: a variable cannot be used; names it.

    """
    try:
        return EventSettings()
    except ValidationError as error:
        raise _explained(error) from error


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _explained(error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    if not first["loc"]:
        return SettingsError(f"{first['msg'].removeprefix('Value error, ')}.")
    return SettingsError(f"FLASHVSR_{str(first['loc'][0]).upper()} cannot be used: {first['msg']}.")
