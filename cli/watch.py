"""`flashvsr watch`: prefixes of a bucket whose new objects become jobs."""

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any, Literal, cast

import typer

from cli.connection import Key, Url, connect
from cli.sizes import parse_size
from client.watch_models import EventState, S3Event, Watch

app = typer.Typer(help="Enlarge whatever is dropped into a bucket.", no_args_is_help=True)

WatchId = Annotated[str, typer.Argument(metavar="WATCH", help="The id that add printed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def add(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="s3://bucket/folder/")],
    suffix: Annotated[
        list[str] | None, typer.Option(help="Only keys that end so; may be repeated.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(help="Where results go, such as enlarged/{path}/{stem}_x4.mp4"),
    ] = None,
    on_collision: Annotated[
        Literal["skip", "fail", "version"] | None,
        typer.Option(help="Where something lies there; nothing is ever overwritten."),
    ] = None,
    existing: Annotated[
        Literal["run", "ignore"] | None, typer.Option(help="What lies there already.")
    ] = None,
    pipeline: Annotated[Literal["tiny", "full"] | None, typer.Option()] = None,
    scale: Annotated[int | None, typer.Option(help="2, 3 or 4.", show_default="4")] = None,
    size: Annotated[str | None, typer.Option(help="Output size instead, as 1920x1080.")] = None,
    codec: Annotated[Literal["h264", "hevc", "av1"] | None, typer.Option()] = None,
    bit_depth: Annotated[int | None, typer.Option(help="8 or 10.")] = None,
    crf: Annotated[int | None, typer.Option()] = None,
    container: Annotated[Literal["mp4", "mov", "mkv", "webm"] | None, typer.Option()] = None,
    queue: Annotated[str | None, typer.Option(help="GPU class.")] = None,
    priority: Annotated[int | None, typer.Option(help="Higher runs earlier.")] = None,
    webhook: Annotated[str | None, typer.Option(help="Hears how each job ended.")] = None,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Watch a prefix; prints the watch's id, and its secret on standard error."""
    width_px, height_px = (None, None) if size is None else parse_size(size)
    choices = {
        "pipeline": pipeline, "scale": scale, "width_px": width_px, "height_px": height_px,
        "codec": codec, "bit_depth": bit_depth, "crf": crf, "container": container,
        "queue": queue, "priority": priority,
    }  # fmt: skip
    with connect(url, key) as client:
        watch = client.watches.add(
            prefix,
            suffixes=suffix or (),
            parameters={name: value for name, value in choices.items() if value is not None},
            template=output,
            on_collision=on_collision,
            existing=existing,
            webhook_url=webhook,
            name=name,
        )
    if as_json:
        print(json.dumps(_document(watch), indent=2))
        return
    print(watch.id)
    print(f"The secret for posted events, shown this once: {watch.secret}", file=sys.stderr)


@app.command("list")
def list_watches(url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """List watches with their last event and what is wrong with them, newest first."""
    with connect(url, key) as client:
        watches = list(client.watches.list())
    if as_json:
        print(json.dumps([_document(watch) for watch in watches], indent=2))
        return
    for watch in watches:
        print(_line(watch))


@app.command()
def show(watch_id: WatchId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show a watch with the counts of its objects and jobs."""
    with connect(url, key) as client:
        watch = client.watches.get(watch_id)
    print(json.dumps(_document(watch), indent=2) if as_json else _line(watch))


@app.command()
def events(
    watch_id: WatchId,
    state: Annotated[
        list[str] | None, typer.Option(help="Only of this state; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List what a watch was told, newest first."""
    with connect(url, key) as client:
        found = client.watches.events(
            watch_id, states=cast(list[EventState], state or []), page_size=min(limit, 200)
        )
        told = [event for _, event in zip(range(limit), found, strict=False)]
    if as_json:
        print(json.dumps([_document(event) for event in told], indent=2))
        return
    for event in told:
        print(_event_line(event))


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
        print(json.dumps(_document(watch), indent=2) if as_json else _line(watch))

    app.command(name, help=sentence)(steer)


_steering("pause", "pause", "Make no more jobs until it is resumed.")
_steering("resume", "resume", "Go on, with what was missed.")
_steering("scan", "list_now", "Have the prefix listed now, for what no event told of.")


def _document(found: Watch | S3Event) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(asdict(found), default=str))
    return document


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
