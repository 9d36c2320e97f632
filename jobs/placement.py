"""Where a result goes in somebody's own bucket, and what happens where something lies there.

Addresses are `s3://bucket/key`, the key exactly as it is: nothing in it is decoded or escaped.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from string import Formatter
from typing import Any, Literal, get_args

from jobs.errors import RequestInvalidError

Collision = Literal["skip", "fail", "version"]
"""What to do where the output's address is taken: end as skipped, fail, or take a free name."""

COLLISIONS: tuple[Collision, ...] = get_args(Collision)
KEY_MAX_BYTES = 1024

FIELDS: Mapping[str, str] = {
    "bucket": "the input's bucket",
    "prefix": "the folder that the input lies in, without its last slash",
    "path": "the same, without what the batch or the watch was told to begin with",
    "name": "the input's last step, such as film.mkv",
    "stem": "the same without its suffix",
    "suffix": "the input's suffix without its dot",
    "scale": "the scale, or the output size as 1920x1080",
    "container": "of the output, such as mp4",
    "batch": "the batch's id",
    "watch": "the watch's id",
    "line": "the number in the batch",
}
"""What a template may name, and what it stands for."""

_ADDRESS = re.compile(r"s3://([^/\x00-\x1f\x7f]+)/([^\x00-\x1f\x7f]+)")
_SHAPE = re.compile(r"[^\x00-\x1f\x7f]{1,1500}")


@dataclass(frozen=True)
class Place:
    """An object in somebody's bucket."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        """The address."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def folder(self) -> str:
        """The key up to its last slash, without it; empty where there is none."""
        return self.key.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The key behind its last slash."""
        return self.key.rpartition("/")[2]

    @classmethod
    def of_url(cls, url: str) -> "Place":
        """Read `s3://bucket/key`.

        Raises:
            RequestInvalidError: it is none, or its key is longer than 1,024 bytes.

        """
        found = _ADDRESS.fullmatch(url)
        if found is None:
            raise RequestInvalidError(
                f"{url[:200]!r} is no address of an object; it must look like s3://bucket/key."
            )
        check_key(found[2])
        return cls(found[1], found[2])


@dataclass(frozen=True)
class Output:
    """How addresses of outputs are made.

    Raises:
        RequestInvalidError: the template names what there is not, or the rule is unknown.

    """

    template: str = "{prefix}/{stem}_x{scale}.{container}"
    """A key in the input's bucket, or `s3://bucket/key`, with `FIELDS` in braces."""
    on_collision: Collision = "fail"

    def __post_init__(self) -> None:
        if self.on_collision not in COLLISIONS:
            raise RequestInvalidError(
                f"There is no rule {self.on_collision!r}; take one of {', '.join(COLLISIONS)}."
            )
        if not _SHAPE.fullmatch(self.template):
            raise RequestInvalidError("The output template must be one line of up to 1500 letters.")
        try:
            parts = list(Formatter().parse(self.template))
        except ValueError as error:
            raise RequestInvalidError(
                f"The output template {self.template!r} cannot be read: {error}."
            ) from error
        for _, field, form, conversion in parts:
            if field is not None and (field not in FIELDS or form or conversion):
                raise RequestInvalidError(
                    f"The output template names {{{field}}}; it can name {', '.join(FIELDS)}."
                )

    @property
    def fixed_beginning(self) -> str:
        """What every address begins with, as far as no field is named; may be empty."""
        return next(iter(Formatter().parse(self.template)), ("", None, None, None))[0]

    def place(
        self,
        source: Place,
        *,
        scale: str,
        container: str,
        base: str = "",
        batch: str = "",
        watch: str = "",
        line: int | None = None,
    ) -> Place:
        """Make the address of one output.

        Args:
            source: the input.
            scale: what `{scale}` stands for; see `scale_text`.
            container: of the output, which the key must end with.
            base: the prefix that `{path}` leaves out.
            batch: an id.
            watch: an id.
            line: a number.

        Raises:
            RequestInvalidError: what comes out is no key, or the input itself.

        """
        stem, dot, suffix = source.name.rpartition(".")
        path = source.folder
        if base and source.key.startswith(base):
            path = source.key.removeprefix(base).lstrip("/").rpartition("/")[0]
        values = {
            "bucket": source.bucket,
            "prefix": source.folder,
            "path": path,
            "name": source.name,
            "stem": stem if dot and stem else source.name,
            "suffix": suffix if dot and stem else "",
            "scale": scale,
            "container": container,
            "batch": batch,
            "watch": watch,
            "line": "" if line is None else str(line),
        }
        template = self.template
        for folder in ("prefix", "path"):
            if not values[folder]:
                template = template.replace(f"{{{folder}}}/", "")
        made = template.format_map(values)
        if made.startswith("s3://"):
            place = Place.of_url(made)
        else:
            place = Place.of_url(f"s3://{source.bucket}/{made}")
        if not place.key.endswith(f".{container}"):
            raise RequestInvalidError(
                f"The output {place.url} does not end with .{container}, which is its container;"
                " let the template end with .{container}."
            )
        if place == source:
            raise RequestInvalidError(
                f"The output {place.url} would be the input itself; choose another template."
            )
        return place

    def as_json(self) -> dict[str, Any]:
        """Give plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Output":
        """Read what `as_json` gave."""
        return cls(stored["template"], stored["on_collision"])


def scale_text(scale: float | None, width_px: int | None, height_px: int | None) -> str:
    """Say what `{scale}` stands for: `4`, or the size as `1920x1080`."""
    if width_px is not None and height_px is not None:
        return f"{width_px}x{height_px}"
    return f"{4 if scale is None else scale:g}"


def numbered(key: str, number: int) -> str:
    """Name the `number`-th version of a key: `film_x4.mp4` becomes `film_x4.v2.mp4`."""
    folder, slash, name = key.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    return f"{folder}{slash}{stem}.v{number}{dot}{suffix}"


def check_key(key: str) -> None:
    """Refuse what no server takes, or some server or client would read as another key.

    Raises:
        RequestInvalidError: it is no Unicode, longer than 1,024 bytes, or has . or .. as a step.

    """
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError as error:
        raise RequestInvalidError(f"The key {key[:200]!a} is no Unicode text.") from error
    if size_bytes > KEY_MAX_BYTES:
        raise RequestInvalidError(f"A key has {size_bytes} bytes; {KEY_MAX_BYTES} are the most.")
    if re.search(r"(^|/)\.{1,2}(/|$)", key):
        raise RequestInvalidError(f"The key {key[:200]!r} has . or .. as a step; rename it.")
