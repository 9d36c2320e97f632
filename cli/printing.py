"""How commands that talk to a service print what it answers: for people, or as JSON."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(help="At most so many.")]


def print_one(found: T, short: Callable[[T], str], *, as_json: bool) -> None:
    """Print one thing, as a line if not as JSON."""
    print(json.dumps(_document(found), indent=2) if as_json else short(found))


def print_list(
    found: Iterable[T], limit: int | None, short: Callable[[T], str], *, as_json: bool
) -> None:
    """Print the first so many of a list, or all of it, a line each if not as JSON."""
    several = list(islice(found, limit))
    if as_json:
        print(json.dumps([_document(one) for one in several], indent=2))
        return
    for one in several:
        print(short(one))


def _document(found: "DataclassInstance") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(asdict(found), default=str))
    return document
