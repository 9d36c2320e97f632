"""The packed file: an uncompressed tar of encoded photographs and clips, with an index."""

import io
import json
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from training.data.errors import DataError

INDEX = "index.json"
FORMAT = "flashvsr-training-set"


@dataclass(frozen=True)
class Entry:
    """One file of the archive.

    segments: lengths of the unbroken runs of frames in a clip; (1,) for a photograph.
    """

    name: str
    kind: Literal["photograph", "clip"]
    file: str
    segments: tuple[int, ...] = (1,)


def write_archive(path: Path, contents: list[tuple[Entry, bytes]]) -> None:
    """Write the archive; it appears when it is whole, and equal contents give equal bytes."""
    index = {"format": FORMAT, "entries": [asdict(entry) for entry, _ in contents]}
    files = [(INDEX, json.dumps(index, indent=1).encode())]
    files += [(entry.file, content) for entry, content in contents]
    partial = path.with_name(f".{path.name}.partial")
    try:
        with tarfile.open(partial, "w") as archive:
            for name, content in files:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_archive(path: Path) -> list[tuple[Entry, bytes]]:
    """Read every entry with its content.

    Raises:
        DataError: the file is missing or was not written by `write_archive`.

    """
    remedy = "make it with 'python -m training.data pack'"
    try:
        with tarfile.open(path) as archive:
            contents = {
                member.name: file.read()
                for member in archive.getmembers()
                if (file := archive.extractfile(member))
            }
        index = json.loads(contents[INDEX])
        if index["format"] != FORMAT:
            raise ValueError(index["format"])
        entries = [Entry(**{**e, "segments": tuple(e["segments"])}) for e in index["entries"]]
        return [(entry, contents[entry.file]) for entry in entries]
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; {remedy}") from error
    except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path.name} is no packed training set; {remedy}") from error
