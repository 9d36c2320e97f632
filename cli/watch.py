"""`flashvsr watch`: prefixes of a bucket whose new objects become jobs."""

import sys
from dataclasses import asdict
from typing import Annotated, Literal, cast

import typer

from cli import choices
from cli.connection import Key, Url, connect
from cli.printing import AsJson, Limit, print_list, print_one
from client.watch_models import EventState, S3Event, Watch

app = typer.Typer(help="Enlarge whatever is dropped into a bucket.", no_args_is_help=True)

WatchId = Annotated[str, typer.Argument(metavar="WATCH", help="The id that add printed.")]


@app.command()
def add(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="s3://bucket/folder/")],
    suffixes: choices.Suffixes = None,
    output: Annotated[
        str | None,
        typer.Option(help="Where results go, such as enlarged/{path}/{stem}_x4.mp4"),
    ] = None,
    on_collision: choices.OnCollision = None,
    existing: Annotated[
        Literal["run", "ignore"] | None, typer.Option(help="What lies there already.")
    ] = None,
    pipeline: choices.Pipeline = None,
    scale: choices.Scale = None,
    size: choices.OutputSize = None,
    codec: choices.Codec = None,
    bit_depth: choices.BitDepth = None,
    crf: choices.Crf = None,
    container: choices.Container = None,
    queue: choices.Queue = None,
    priority: choices.Priority = None,
    webhook: Annotated[str | None, typer.Option(help="Hears how each job ended.")] = None,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Watch a prefix; prints the watch's id, and its secret on standard error."""
    parameters = choices.chosen(
        size=size, pipeline=pipeline, scale=scale, codec=codec, bit_depth=bit_depth, crf=crf,
        container=container, queue=queue, priority=priority,
    )  # fmt: skip
    with connect(url, key) as client:
        watch = client.watches.add(
            prefix,
            suffixes=suffixes or (),
            parameters=parameters,
            template=output,
            on_collision=on_collision,
            existing=existing,
            webhook_url=webhook,
            name=name,
        )
    print_one(watch, lambda watch: watch.id, as_json=as_json)
    if as_json:
        return
    print(f"The secret for posted events, shown this once: {watch.secret}", file=sys.stderr)


@app.command("list")
def list_watches(url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """List watches with their last event and what is wrong with them, newest first."""
    with connect(url, key) as client:
        print_list(client.watches.list(), None, _line, as_json=as_json)


@app.command()
def show(watch_id: WatchId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show a watch with the counts of its objects and jobs."""
    with connect(url, key) as client:
        watch = client.watches.get(watch_id)
    print_one(watch, _line, as_json=as_json)


@app.command()
def events(
    watch_id: WatchId,
    state: Annotated[
        list[str] | None, typer.Option(help="Only of this state; may be repeated.")
    ] = None,
    limit: Limit = 50,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List what a watch was told, newest first."""
    with connect(url, key) as client:
        found = client.watches.events(
            watch_id, states=cast(list[EventState], state or []), page_size=min(limit, 200)
        )
        print_list(found, limit, _event_line, as_json=as_json)


@app.command()
def remove(watch_id: WatchId, url: Url = None, key: Key = None) -> None:
    """Watch no longer; jobs and results stay."""
    with connect(url, key) as client:
        client.watches.remove(watch_id)


def _steering(name: str, verb: str, sentence: str) -> None:
    """Add a command that asks for one thing."""

    def steer(watch_id: WatchId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
        with connect(url, key) as client:
            watch = getattr(client.watches, verb)(watch_id)
        print_one(watch, _line, as_json=as_json)

    app.command(name, help=sentence)(steer)


_steering("pause", "pause", "Make no more jobs until it is resumed.")
_steering("resume", "resume", "Go on, with what was missed.")
_steering("scan", "list_now", "Have the prefix listed now, for what no event told of.")


def _line(watch: Watch) -> str:
    parts = [watch.id, watch.prefix, watch.name or ""]
    if watch.is_paused:
        parts.append("paused")
    if watch.counts is not None:
        counts = {name: number for name, number in asdict(watch.counts).items() if name != "jobs"}
        parts += [f"{number} {name}" for name, number in counts.items() if number]
        if watch.counts.jobs:
            jobs = ", ".join(f"{number} {state}" for state, number in watch.counts.jobs.items())
            parts.append(f"jobs: {jobs}")
    if watch.last_event is not None:
        at = f"{watch.last_event.received_at:%Y-%m-%d %H:%M:%S}"
        parts.append(f"last event {at} {watch.last_event.key} ({watch.last_event.state})")
    if watch.last_error is not None:
        parts.append(f"error: {watch.last_error}")
    return "  ".join(part for part in parts if part)


def _event_line(event: S3Event) -> str:
    parts = [f"{event.received_at:%Y-%m-%d %H:%M:%S}", event.source, f"{event.state:<9}", event.key]
    if event.received > 1:
        parts.append(f"{event.received} times")
    if event.job_id is not None:
        parts.append(event.job_id)
    if event.error is not None:
        parts.append(f"{event.error.code}: {event.error.message}")
    return "  ".join(parts)
