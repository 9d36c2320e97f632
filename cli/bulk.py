"""`flashvsr bulk`: many objects of a bucket in one go."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli import choices
from cli.connection import Key, Url, connect
from cli.errors import FAILED, UsageError
from cli.printing import AsJson, Limit, print_list, print_one
from client import FlashVSRClient
from client.batch_models import Batch

app = typer.Typer(help="Enlarge many objects of a bucket in one go.", no_args_is_help=True)

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The id that submit printed.")]


@app.command()
def submit(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="s3://bucket/prefix/, a manifest (a file or its s3:// address with --manifest), or"
            " several s3://bucket/key.",
        ),
    ],
    manifest: Annotated[
        bool, typer.Option("--manifest", help="The s3:// address is a manifest's.")
    ] = False,
    form: Annotated[Literal["csv", "jsonl"] | None, typer.Option(help="Of the manifest.")] = None,
    suffixes: choices.Suffixes = None,
    output: Annotated[
        str | None,
        typer.Option(
            help="Where results go: {prefix}/{stem}_x4.mp4, s3://bucket/{path}/{stem}.mp4"
        ),
    ] = None,
    on_collision: choices.OnCollision = None,
    report: Annotated[str | None, typer.Option(help="Folder of the report, s3://…/.")] = None,
    pipeline: choices.Pipeline = None,
    scale: choices.Scale = None,
    size: choices.OutputSize = None,
    codec: choices.Codec = None,
    bit_depth: choices.BitDepth = None,
    crf: choices.Crf = None,
    container: choices.Container = None,
    queue: choices.Queue = None,
    priority: choices.Priority = None,
    webhook: Annotated[str | None, typer.Option(help="Address that hears of the end.")] = None,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List and estimate; 'bulk start' runs it.")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key never makes two batches.")
    ] = None,
    wait_for_it: Annotated[bool, typer.Option("--wait", help="Until it has ended.")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Submit a batch; prints its id."""
    parameters = choices.chosen(
        size=size, pipeline=pipeline, scale=scale, codec=codec, bit_depth=bit_depth, crf=crf,
        container=container, queue=queue, priority=priority,
    )  # fmt: skip
    with connect(url, key) as client:
        batch = client.batches.create(
            **_source_of(sources, suffixes or [], form, is_manifest=manifest),
            parameters=parameters,
            template=output,
            on_collision=on_collision,
            report_url=report,
            webhook_url=webhook,
            name=name,
            dry_run=dry_run,
            idempotency_key=idempotency_key,
        )
        if wait_for_it:
            batch = _wait(client, batch.id, as_json=as_json)
    print_one(batch, _line if wait_for_it else lambda batch: batch.id, as_json=as_json)
    if wait_for_it:
        _leave_as(batch)


def _source_of(
    sources: list[str],
    suffixes: list[str],
    form: Literal["csv", "jsonl"] | None,
    *,
    is_manifest: bool,
) -> dict[str, Any]:
    first = sources[0]
    is_address = first.startswith("s3://")
    if len(sources) > 1:
        if is_manifest or not all(source.startswith("s3://") for source in sources):
            raise UsageError("Give one prefix, one manifest, or several s3:// addresses")
        return {"objects": sources}
    if is_address and is_manifest:
        return {"manifest_url": first, "manifest_form": form}
    if is_address:
        return {"prefix": first, "suffixes": suffixes}
    if not Path(first).is_file():
        raise UsageError(f"{first} is neither a file nor an address that begins with s3://")
    return {"manifest": first, "manifest_form": form}


@app.command()
def status(batch_id: BatchId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show a batch as it is now."""
    with connect(url, key) as client:
        print_one(client.batches.get(batch_id), _line, as_json=as_json)


@app.command()
def wait(batch_id: BatchId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Wait until a batch has ended; exit 1 unless all of it is done."""
    with connect(url, key) as client:
        batch = _wait(client, batch_id, as_json=as_json)
    print_one(batch, _line, as_json=as_json)
    _leave_as(batch)


@app.command("list")
def list_batches(
    limit: Limit = 20,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List batches, newest first."""
    with connect(url, key) as client:
        found = client.batches.list(page_size=min(limit, 100))
        print_list(found, limit, _line, as_json=as_json)


def _steering(verb: str, sentence: str) -> None:
    """Add a command that asks for one thing."""

    def steer(batch_id: BatchId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
        with connect(url, key) as client:
            print_one(getattr(client.batches, verb)(batch_id), _line, as_json=as_json)

    app.command(verb, help=sentence)(steer)


_steering("start", "Run what a dry run has listed.")
_steering("pause", "Hold everything that does not run yet.")
_steering("resume", "Let a paused batch go on.")
_steering("cancel", "Cancel all that waits and runs; results that are there stay.")
_steering("retry", "Try what failed again; in a canceled batch, also what was canceled.")


@app.command()
def report(
    batch_id: BatchId,
    output: Annotated[
        Path | None, typer.Argument(metavar="[OUTPUT]", help="A file; printed if left out.")
    ] = None,
    form: Annotated[Literal["csv", "json"], typer.Option()] = "csv",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Fetch what became of each line, as it is now."""
    with connect(url, key) as client:
        if output is not None:
            client.batches.report(batch_id, output, form=form, overwrite=overwrite)
            print(output)
            return
        for piece in client.batches.report_pieces(batch_id, form=form):
            sys.stdout.buffer.write(piece)
    sys.stdout.flush()


def _wait(client: FlashVSRClient, batch_id: str, *, as_json: bool) -> Batch:
    said = ""

    def say(batch: Batch) -> None:
        nonlocal said
        line = _line(batch)
        if not as_json and line != said:
            print(line, file=sys.stderr)
            said = line

    return client.batches.wait(batch_id, on_change=say)


def _line(batch: Batch) -> str:
    counts = batch.counts
    numbers = {name: number for name, number in asdict(counts).items() if number}
    total = numbers.pop("total", 0)
    parts = [batch.id, f"{batch.state:<9}", batch.name or ""]
    parts.append(f"{total} lines: " + ", ".join(f"{n} {name}" for name, n in numbers.items()))
    if batch.is_paused:
        parts.append("paused")
    if not batch.has_ended and batch.seconds_left is not None:
        parts.append(f"{batch.percent:.0f} %, {_duration(batch.seconds_left)} left")
    if batch.estimate:
        parts.append(_estimate(batch.estimate))
    if batch.error:
        parts.append(f"{batch.error.code}: {batch.error.message}")
    if batch.has_ended and batch.reports and "csv" in batch.reports:
        parts.append(batch.reports["csv"])
    return "  ".join(part for part in parts if part)


def _estimate(found: Any) -> str:  # noqa: ANN401 - plain JSON
    if found.get("frames") is None:
        return "no estimate: none of the sampled objects could be probed"
    return (
        f"about {found['frames']} frames, {_duration(found['gpu_seconds'])} of GPU time,"
        f" {found['output_bytes'] / 1e9:.1f} GB of results"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _leave_as(batch: Batch) -> None:
    counts = batch.counts
    is_good = batch.state in ("completed", "planned") and not (counts.failed or counts.refused)
    if not is_good:
        raise typer.Exit(FAILED)
