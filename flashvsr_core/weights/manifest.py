"""`manifest.json`: which version of the model a folder holds, and every file's sha256."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from flashvsr_core.color import COLOR_FIXES, ColorFix
from flashvsr_core.errors import WeightsError

ModelVersion = Literal["v1", "v1.1"]
MODEL_VERSIONS: tuple[ModelVersion, ...] = get_args(ModelVersion)

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class FileRecord:
    """What is known of one file."""

    sha256: str
    size_bytes: int
    version: ModelVersion
    source: str
    """Where it came from, for people: a hub repository and revision, or a sentence."""


@dataclass(frozen=True)
class Manifest:
    """The records of a folder by file name; empty where no manifest was written."""

    files: Mapping[str, FileRecord] = field(default_factory=dict)
    color: ColorFix = "adain"
    """How colours are best matched to the source; the released weights' is the authors'."""

    def check(self, path: Path) -> None:
        """Compare a file with its record, if there is one.

        Raises:
            WeightsError: size or sha256 differ.

        """
        record = self.files.get(path.name)
        if record is None:
            return
        size_bytes = path.stat().st_size
        if size_bytes != record.size_bytes or sha256_of(path) != record.sha256:
            raise WeightsError(
                f"{path} is not the file that {MANIFEST_FILE} recorded ({size_bytes} bytes,"
                f" expected {record.size_bytes} with sha256 {record.sha256[:12]}…); download"
                " it again."
            )


def sha256_of(path: Path) -> str:
    """Return a file's sha256 as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_of(path: Path, version: ModelVersion, source: str) -> FileRecord:
    """Hash a file as it is now."""
    return FileRecord(sha256_of(path), path.stat().st_size, version, source)


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest; an empty one if it has none.

    Raises:
        WeightsError: the manifest is not in this format.

    """
    path = folder / MANIFEST_FILE
    if not path.exists():
        return Manifest()
    try:
        found = json.loads(path.read_text())
        files = {name: FileRecord(**record) for name, record in found["files"].items()}
        color = found.get("color", Manifest.color)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} is not a weights manifest ({error!r}); delete it, or download the weights"
            " again."
        ) from error
    for name, record in files.items():
        if record.version not in MODEL_VERSIONS:
            raise WeightsError(
                f"{path} says that {name} is of version {record.version!r}, which this release does"
                f" not know; it knows {', '.join(MODEL_VERSIONS)}."
            )
    if color not in COLOR_FIXES:
        raise WeightsError(
            f"{path} asks for the colour fix {color!r}, which this release does not know; it knows"
            f" {', '.join(COLOR_FIXES)}."
        )
    return Manifest(files, color)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a folder's manifest in one step."""
    files = {name: asdict(record) for name, record in sorted(manifest.files.items())}
    partial = folder / f".{MANIFEST_FILE}.partial-{os.getpid()}"
    partial.write_text(json.dumps({"files": files, "color": manifest.color}, indent=2) + "\n")
    partial.replace(folder / MANIFEST_FILE)
