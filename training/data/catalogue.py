"""Which packages hold photographs and footage that may be used, and whose they are."""

import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from training.data.held_out import HELD_OUT_PREFIX

CATALOGUE = Path(__file__).with_name("catalogue.toml")
PHOTOGRAPH_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Item:
    """One photograph or clip inside a package.

    package: as the registry names it, with a version where one is asked for.
    member: its path inside the package.
    """

    registry: Literal["debian", "pypi"]
    package: str
    member: str
    author: str
    licence: str
    is_held_out: bool
    is_drawing: bool = False

    @property
    def kind(self) -> Literal["photograph", "clip"]:
        """What it is, by its suffix."""
        suffix = PurePosixPath(self.member).suffix.lower()
        return "photograph" if suffix in PHOTOGRAPH_SUFFIXES else "clip"

    @property
    def folder(self) -> str:
        """Where it belongs in a gathered folder."""
        if not self.is_held_out:
            return f"{self.kind}s"
        return "heldout-drawings" if self.is_drawing else "heldout"

    @property
    def file_name(self) -> str:
        """Its name in a gathered folder: unique, and prefixed where it is held out."""
        path = PurePosixPath(self.member)
        # KDE names every picture by its size and the folder above by its title.
        is_titled = path.parts[-3:-1] == ("contents", "images")
        stem = path.parts[-4] if is_titled else path.stem
        name = f"{stem}{path.suffix}".lower()
        return f"{HELD_OUT_PREFIX}-{name}" if self.is_held_out else name


def read_catalogue(path: Path = CATALOGUE) -> list[Item]:
    """Read the catalogue."""
    items = []
    for package in tomllib.loads(path.read_text(encoding="utf-8"))["package"]:
        for entry in package["files"]:
            known: dict[str, Any] = {**package, **entry}
            items.append(
                Item(
                    registry=known["registry"],
                    package=known["name"],
                    member=f"{known['folder']}/{known['file']}",
                    author=known["author"],
                    licence=known["licence"],
                    is_held_out=known.get("held_out", False),
                    is_drawing=known.get("drawings", False),
                )
            )
    return items


def credits_table(items: list[Item]) -> str:
    """Return a Markdown table of who made what, for a model card."""
    lines = ["| file | from | by | licence | use |", "|---|---|---|---|---|"]
    lines += [
        f"| {item.file_name} | {item.package} | {item.author} | {item.licence} |"
        f" {'evaluation' if item.is_held_out else 'training'} |"
        for item in items
    ]
    return "\n".join(lines) + "\n"
