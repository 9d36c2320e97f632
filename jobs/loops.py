"""Whether results could land under a watched prefix, where they would become inputs again.

Decided by the template alone, before anything runs: what a field stands for is unknown, so that it
may be anything that such a field can be.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from string import Formatter

from jobs.placement import Output

# A folder may be any text; a name has no slash.
_ANY = re.compile(r".*", re.DOTALL)
_STEP = re.compile(r"[^/]*")
_STEPS = ("name", "stem", "suffix", "line", "batch", "watch", "scale", "container")

_Piece = str | re.Pattern[str]


def can_land_under(
    watched_bucket: str,
    watched_prefix: str,
    output: Output,
    source_bucket: str,
    source_prefix: str,
    known: Mapping[str, str] | None = None,
) -> bool:
    """Tell whether an output can have an address under a watched prefix.

    Args:
        watched_bucket: of the prefix that is watched.
        watched_prefix: in it; empty is all of it.
        output: how addresses of outputs are made.
        source_bucket: of the inputs; empty where they come from several ones.
        source_prefix: what the keys of all inputs begin with.
        known: fields of the template whose value is the same for all inputs.

    """
    target = f"s3://{watched_bucket}/{watched_prefix}"
    return any(
        _can_begin_with(pieces, target)
        for pieces in _shapes(output.template, source_bucket, source_prefix, known or {})
    )


def _shapes(
    template: str, bucket: str, prefix: str, known: Mapping[str, str]
) -> Iterator[list[_Piece]]:
    """Give what addresses look like: folders that are empty take their slash with them."""
    if not template.startswith("s3://"):
        template = f"s3://{{bucket}}/{template}"
    folder = prefix.rpartition("/")[0]
    for drops_prefix, drops_path in product((False, True), repeat=2):
        if drops_prefix and folder:
            continue
        shape = template.replace("{prefix}/", "") if drops_prefix else template
        shape = shape.replace("{path}/", "") if drops_path else shape
        pieces: list[_Piece] = []
        for literal, field, _, _ in Formatter().parse(shape):
            pieces.append(literal)
            if field is not None and field in known:
                pieces.append(known[field])
            elif field == "bucket":
                pieces.append(bucket or _STEP)
            elif field == "prefix":
                pieces += [folder, _ANY]
            elif field in _STEPS:
                pieces.append(_STEP)
            elif field is not None:
                pieces.append(_ANY)
        yield pieces


def _can_begin_with(pieces: list[_Piece], target: str) -> bool:
    """Tell whether a text that is made of these pieces can begin with another one."""
    reached = {0}
    for piece in pieces:
        following: set[int] = set()
        for place in reached:
            if isinstance(piece, str):
                rest = target[place:]
                if piece.startswith(rest):
                    return True
                if rest.startswith(piece):
                    following.add(place + len(piece))
            else:
                found = piece.match(target, place)
                assert found is not None, "both patterns match nothing, too"
                following |= set(range(place, found.end() + 1))
        if len(target) in following:
            return True
        reached = following
    return False
