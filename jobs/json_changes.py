"""Changing one field of a document inside a statement, which both databases can, each its way."""

from typing import Any

from sqlalchemy import Integer, bindparam, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _WithNumber(FunctionElement[Any]):
    inherit_cache = True


def with_number(
    document: InstrumentedAttribute[dict[str, Any]], field: str, number: int
) -> ColumnElement[Any]:
    """Ask for a document in which one field is another whole number."""
    assert field.isidentifier(), "a name of ours, which needs no quotes in a path"
    found = _WithNumber(document, literal(field), bindparam(None, number, Integer, unique=True))
    found.type = document.type
    return found


@compiles(_WithNumber, "postgresql")
def _on_postgres(element: _WithNumber, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    document, field, number = (compiler.process(clause, **options) for clause in element.clauses)
    return (
        f"jsonb_set({document}, ARRAY[CAST({field} AS text)], to_jsonb(CAST({number} AS integer)))"
    )


@compiles(_WithNumber, "sqlite")
def _on_sqlite(element: _WithNumber, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    document, field, number = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_set({document}, '$.' || {field}, {number})"
