"""A job and an upload as the browser's form gives them, in the words of the REST API's schemas."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from api.admin.forms import Form
from api.errors import FieldsInvalidError
from api.schemas.jobs import NewJob
from api.schemas.uploads import NewUpload

_MANY = 2**63 - 1

_NUMBERS = ("width_px", "height_px", "bit_depth", "crf", "priority", "seed", "tile_px")
_TEXTS = ("name", "pipeline", "queue", "color", "codec", "container")

LABELS: Final[Mapping[str, str]] = {
    "size_bytes": "the size of the file",
    "filename": "the name of the file",
    "content_type": "the type of the file",
    "upload_id": "the file",
    "width_px": "the width",
    "height_px": "the height",
    "bit_depth": "bits a colour",
    "crf": "quality (CRF)",
    "tile_px": "the side of tiles",
    "color": "colours",
}

M = TypeVar("M", bound=BaseModel)


def read_upload(form: Form) -> NewUpload:
    """Read a file that is announced.

    Raises:
        FieldsInvalidError: a field cannot be used.

    """
    values = {
        "filename": form.text("filename"),
        "size_bytes": form.number("size_bytes", least=1, most=2**53 - 1),
        # A browser that does not know the type says nothing.
        "content_type": form.text("content_type") or "application/octet-stream",
    }
    return _checked(NewUpload, values)


def read_job(form: Form, upload_id: str) -> NewJob:
    """Read what is to be made of an upload; an empty field is the default.

    Raises:
        FieldsInvalidError: a field cannot be used.

    """
    values: dict[str, Any] = {"upload_id": upload_id}
    for name in _NUMBERS:
        if (number := form.number(name, least=-_MANY, most=_MANY)) is not None:
            values[name] = number
    for name in _TEXTS:
        if text := form.text(name):
            values[name] = text
    scale = form.text("scale")
    if scale != "exact":
        # The fields of the other choice may still hold something.
        values.pop("width_px", None)
        values.pop("height_px", None)
        values["scale"] = form.number("scale", least=2, most=4)
    elif "width_px" not in values or "height_px" not in values:
        raise FieldsInvalidError("Give both width and height of the output, or choose a factor.")
    return _checked(NewJob, values)


def _checked(model: type[M], values: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        label = LABELS.get(name, f"the {name}")
        raise FieldsInvalidError(f"{label} cannot be used: {first['msg']}.") from error
