"""Gather photographs and footage from Debian and PyPI packages, without installing them."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from training.data.catalogue import Item, credits_table
from training.data.errors import DataError

CREDITS = "SOURCES.md"


def gather(folder: Path, items: Iterable[Item], say: Callable[[str], None]) -> None:
    """Fetch the packages and copy their pictures.

    Photographs and drawings go to `folder`/photographs, clips to `folder`/clips, whatever is held
    out to `folder`/heldout, drawings to `folder`/heldout-drawings; `folder`/SOURCES.md says who
    made what. Files that are there are replaced.

    Raises:
        DataError: a package cannot be fetched, or lacks a file that the catalogue names.

    """
    items = list(items)
    for (registry, package), group in groupby(items, lambda item: (item.registry, item.package)):
        say(f"{package} from {registry}")
        with tempfile.TemporaryDirectory() as scratch:
            unpacked = Path(scratch) / "unpacked"
            unpacked.mkdir()
            UNPACKERS[registry](package, Path(scratch), unpacked)
            for item in group:
                _copy(item, unpacked, folder)
    (folder / CREDITS).write_text(f"# Sources\n\n{credits_table(items)}", encoding="utf-8")


def _copy(item: Item, unpacked: Path, folder: Path) -> None:
    source = unpacked / item.member
    if not source.is_file():
        raise DataError(
            f"{item.package} holds no {item.member} here; remove it from the catalogue, or use"
            " Debian 12"
        )
    target = folder / item.folder / item.file_name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _unpack_debian(package: str, scratch: Path, unpacked: Path) -> None:
    _run(["apt-get", "download", package], scratch, "run 'apt-get update' first")
    (archive,) = scratch.glob("*.deb")
    _run(["dpkg-deb", "-x", str(archive), str(unpacked)], scratch, "check the disk's free space")


def _unpack_pypi(package: str, scratch: Path, unpacked: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    _run([*command, package], scratch, "check that pip reaches its index")
    (archive,) = scratch.glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        wheel.extractall(unpacked)


UNPACKERS: dict[str, Callable[[str, Path, Path], None]] = {
    "debian": _unpack_debian,
    "pypi": _unpack_pypi,
}


def _run(command: list[str], folder: Path, remedy: str) -> None:
    try:
        # The command is one of the fixed lists above.
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603
    except FileNotFoundError as error:
        raise DataError(f"'{command[0]}' is not installed; Debian has it") from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise DataError(f"'{' '.join(command)}' failed ({reason}); {remedy}") from error
