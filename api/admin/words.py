"""Figures, times and states as people read them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")

STATE_MARKS: Final[Mapping[str, str]] = {
    "queued": "○",
    "running": "◐",
    "succeeded": "✓",
    "failed": "✕",
    "canceled": "–",
    "expired": "◌",
    "lost": "✕",
    "given_back": "↺",
    "paused": "‖",
}
"""A sign for each state, so that none is told by its colour alone."""


def size(count: float | None) -> str:
    """Write a number of bytes: 1.5 GB."""
    if count is None:
        return "–"
    value = float(count)
    for unit in _UNITS:
        if abs(value) < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def seconds(value: float | None) -> str:
    """Write a length of time: 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _pair(whole, 60, "min", 1, "s")
    if whole < 86_400:
        return _pair(whole, 3600, "h", 60, "min")
    return _pair(whole, 86_400, "d", 3600, "h")


def _pair(whole: int, large_s: int, large: str, small_s: int, small: str) -> str:
    count, rest = divmod(whole, large_s)
    return f"{count} {large} {rest // small_s} {small}" if rest // small_s else f"{count} {large}"


def number(value: float | None, digits: int = 0) -> str:
    """Write a number with its thousands apart by a narrow space."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def percent(share: float | None, digits: int = 0) -> str:
    """Write a share of 1."""
    return "–" if share is None else f"{share * 100:.{digits}f} %"


def moment(at: datetime | None, style: str = "both") -> Markup:
    """Write a point in time; a script puts it into the viewer's own zone.

    Args:
        at: aware; None gives a dash.
        style: `both` the date and how long ago, `date`, or `ago`.

    """
    if at is None:
        return Markup("–")
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" data-style="{}">{} UTC</time>').format(
        utc.isoformat(timespec="milliseconds"), style, utc.strftime("%Y-%m-%d %H:%M:%S")
    )


def plain(word: object) -> str:
    """Write a name from the database as words: `given_back` as `given back`."""
    return str(word).replace("_", " ").replace(".", " ")


def state(word: str) -> Markup:
    """Write a state with its sign."""
    return Markup(
        '<span class="state state-{0}"><span aria-hidden="true">{1}</span> {2}</span>'
    ).format(word, STATE_MARKS.get(word, "•"), plain(word))


def fact(value: object) -> str:
    """Write one of the facts about a video, of whatever type it is."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case dict():
            return ", ".join(f"{plain(name)} {fact(each)}" for name, each in value.items()) or "–"
        case list() | tuple():
            return ", ".join(map(fact, value)) or "–"
        case _:
            return str(value)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "size": size,
    "seconds": seconds,
    "number": number,
    "percent": percent,
    "moment": moment,
    "plain": plain,
    "state": state,
    "fact": fact,
}
