"""`flashvsr probe`: what a video file is."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from media.probe import probe as probe_file


def probe(
    path: Annotated[Path, typer.Argument(metavar="INPUT", help="A video file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe a video file without decoding it."""
    facts = probe_file(path).as_json()
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        print(f"{name:<24} {_plain(value)}")


def _plain(value: Any) -> str:  # noqa: ANN401  (whatever JSON holds)
    if isinstance(value, dict):
        return ", ".join(f"{key} {inner}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return "; ".join(_plain(item) for item in value) or "none"
    return "unknown" if value is None else str(value)
