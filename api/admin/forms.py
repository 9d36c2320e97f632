"""What a form sent: names and values, read without a parser for files, which no form sends."""

from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.errors import FieldsInvalidError

_FIELDS_MAX = 500


class Form(Mapping[str, str]):
    """Fields by name; of repeated ones the last, and all of them by `every`."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._all = fields
        self._last = dict(fields)

    def __getitem__(self, name: str) -> str:
        return self._last[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def every(self, name: str) -> list[str]:
        """Return all values of a repeated field."""
        return [value for key, value in self._all if key == name]

    def text(self, name: str) -> str:
        """Return a field without spaces at its ends; empty where it is missing.

        Raises:
            FieldsInvalidError: it has control characters, which no database takes.

        """
        value = self._last.get(name, "").strip()
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise FieldsInvalidError(f"The field {name} has characters that cannot be shown.")
        return value

    def number(self, name: str, *, least: int, most: int) -> int | None:
        """Return a whole number; None where the field is empty.

        Raises:
            FieldsInvalidError: it is no such number.

        """
        value = self.text(name)
        if not value:
            return None
        try:
            number = int(value)
        except ValueError as error:
            raise FieldsInvalidError(f"{name} must be a whole number.") from error
        if not least <= number <= most:
            raise FieldsInvalidError(f"{name} must lie between {least} and {most}.")
        return number


async def read_form(request: Request) -> Form:
    """Read the body of a form.

    Raises:
        FieldsInvalidError: it is none.

    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and kind != "application/x-www-form-urlencoded":
        raise FieldsInvalidError("The dashboard takes forms only.")
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict"
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise FieldsInvalidError("The form cannot be read.") from error
    return Form(fields)


FormDep = Annotated[Form, Depends(read_form)]
