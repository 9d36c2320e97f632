"""`flashvsr submit`, `status`, `wait`, `cancel`, `retry`, `fetch`, `list`: jobs of a service."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import typer

from cli import choices
from cli.connection import Key, Url, connect
from cli.errors import FAILED, UsageError
from cli.printing import AsJson, Limit, print_list, print_one
from cli.progress import byte_bar, job_bar
from client import FlashVSRClient, Job
from client.models import State

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The id that submit printed.")]
STATES: tuple[State, ...] = get_args(State)


def submit(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A file, or s3://bucket/key.")],
    pipeline: choices.Pipeline = None,
    scale: choices.Scale = None,
    size: choices.OutputSize = None,
    seed: Annotated[int | None, typer.Option()] = None,
    color: choices.Color = None,
    codec: choices.Codec = None,
    bit_depth: choices.BitDepth = None,
    crf: choices.Crf = None,
    container: choices.Container = None,
    tile: Annotated[int | None, typer.Option(help="Tile side in output pixels.")] = None,
    queue: choices.Queue = None,
    priority: choices.Priority = None,
    webhook: Annotated[str | None, typer.Option(help="Address that hears of the end.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key never makes two jobs.")
    ] = None,
    wait_for_it: Annotated[bool, typer.Option("--wait", help="Until it has ended.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Wait, and fetch the result to this file.")
    ] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Submit one video; prints the job's id."""
    parameters = choices.chosen(
        size=size, pipeline=pipeline, scale=scale, seed=seed, color=color, tile_px=tile,
        codec=codec, bit_depth=bit_depth, crf=crf, container=container, queue=queue,
        priority=priority,
    )  # fmt: skip
    with connect(url, key) as client:
        where: dict[str, Any] = {}
        if source.startswith("s3://"):
            where["input_url"] = source
        else:
            with byte_bar(f"sending {Path(source).name}", is_shown=_is_shown(as_json)) as update:
                where["upload_id"] = client.upload(source, on_progress=update).id
        job = client.submit(
            **where, **parameters, webhook_url=webhook, idempotency_key=idempotency_key
        )
        if wait_for_it or output is not None:
            if not as_json:
                print(job.id, file=sys.stderr)
            job = _wait(client, job.id, None, as_json=as_json)
        if output is not None and job.state == "succeeded":
            _fetch(client, job.id, output, "result", overwrite=False, as_json=as_json)
        print_one(job, lambda job: job.id, as_json=as_json)
    _leave_as(job)


def status(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show a job as it is now."""
    with connect(url, key) as client:
        print_one(client.get(job_id), _line, as_json=as_json)


def wait(
    job_id: JobId,
    timeout_s: Annotated[float | None, typer.Option(help="At most so many seconds.")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a job has ended; exit 1 unless it succeeded."""
    with connect(url, key) as client:
        job = _wait(client, job_id, timeout_s, as_json=as_json)
    print_one(job, _line, as_json=as_json)
    _leave_as(job)


def cancel(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Cancel a job: at once while it waits, between two chunks while it runs."""
    with connect(url, key) as client:
        print_one(client.cancel(job_id), _line, as_json=as_json)


def retry(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Queue a failed, canceled or expired job again."""
    with connect(url, key) as client:
        print_one(client.retry(job_id), _line, as_json=as_json)


def fetch(
    job_id: JobId,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Appears when it is whole.")],
    part: Annotated[
        Literal["result", "poster", "preview"], typer.Option(help="What to fetch.")
    ] = "result",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Fetch what a job made, its sha256 checked."""
    with connect(url, key) as client:
        _fetch(client, job_id, output, part, overwrite=overwrite, as_json=False)
    print(output)


def list_jobs(
    state: Annotated[
        list[str] | None, typer.Option(help=f"Only {', '.join(STATES)}; may be repeated.")
    ] = None,
    queue: choices.Queue = None,
    limit: Limit = 50,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    unknown = set(state or ()) - set(STATES)
    if unknown:
        raise UsageError(f"There is no state '{unknown.pop()}'; choose from {', '.join(STATES)}")
    states = cast(list[State], state or [])
    with connect(url, key) as client:
        found = client.list(states=states, queue=queue, page_size=min(limit, 100))
        print_list(found, limit, _line, as_json=as_json)


def _wait(client: FlashVSRClient, job_id: str, timeout_s: float | None, *, as_json: bool) -> Job:
    with job_bar(job_id, is_shown=not as_json) as update:
        return client.wait(job_id, timeout_s=timeout_s, on_change=update)


def _fetch(
    client: FlashVSRClient,
    job_id: str,
    output: Path,
    part: Literal["result", "poster", "preview"],
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    with byte_bar(f"fetching {output.name}", is_shown=_is_shown(as_json)) as update:
        client.download(job_id, output, part=part, overwrite=overwrite, on_progress=update)


def _line(job: Job) -> str:
    parts = [job.id, f"{job.state:<9}", job.name]
    if job.state == "queued" and job.queue_position:
        parts.append(f"number {job.queue_position} in the queue")
    if job.progress and not job.has_ended:
        parts.append(f"{job.progress.percent:.0f} % ({job.progress.stage})")
    if job.error:
        parts.append(f"{job.error.code}: {job.error.message}")
    return "  ".join(parts)


def _leave_as(job: Job) -> None:
    """Exit 1 where a job has ended without success, so that scripts notice."""
    if job.has_ended and job.state != "succeeded":
        if job.error:
            print(f"{job.error.message.rstrip('.')}.", file=sys.stderr)
        raise typer.Exit(FAILED)


def _is_shown(as_json: bool) -> bool:
    return sys.stderr.isatty() and not as_json
