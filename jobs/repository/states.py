"""Conditions on a job's state, written so that indexes over one state can answer them."""

from sqlalchemy import ColumnElement, String, literal

from jobs.job import State
from jobs.tables import JobRow


def in_state(*states: State) -> ColumnElement[bool]:
    """Keep the jobs in one of these states.

    The states stand in the statement itself: of a bound parameter neither SQLite nor a prepared
    statement of Postgres knows that it selects just the rows of an index.
    """
    inline = [literal(state, String, literal_execute=True) for state in states]
    return JobRow.state == inline[0] if len(inline) == 1 else JobRow.state.in_(inline)
