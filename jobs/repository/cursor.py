"""Pages by key: where the last one ended, not how many rows to skip.

Rows that are added meanwhile can neither shift a later page nor show up twice.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from jobs.clock import Moment
from jobs.errors import RequestInvalidError

R = TypeVar("R")


def page_of(
    rows: Sequence[R], limit: int, place: Callable[[R], tuple[datetime, str]]
) -> tuple[Sequence[R], str | None]:
    """Split what a query with `limit + 1` found into the page and the cursor of the next one."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], place_of(*place(rows[limit - 1]))


def place_of(at: datetime, row_id: str) -> str:
    """Write the cursor that lies behind a row."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {row_id}".encode()).decode()


def older_than(
    cursor: str, at: InstrumentedAttribute[datetime], row_id: InstrumentedAttribute[str]
) -> ColumnElement[bool]:
    """Keep the rows behind a cursor, newest first.

    Raises:
        RequestInvalidError: it is not one that `page_of` gave.

    """
    try:
        moment, last_id = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        last = datetime.fromisoformat(moment)
        # Whoever makes up a cursor must not reach the database with what it cannot take.
        if last.tzinfo is None or not (last_id.isascii() and last_id.isprintable()):
            raise ValueError(cursor)
        last = last.astimezone(UTC)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise RequestInvalidError(
            "The cursor is not one that an earlier page gave; begin again without it."
        ) from error
    return tuple_(at, row_id) < tuple_(literal(last, Moment()), literal(last_id))
