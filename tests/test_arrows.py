"""Who may know whom: the imports between the top-level packages, read from the sources."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ALLOWED: dict[str, set[str]] = {
    "flashvsr_core": set(),
    "media": set(),
    "jobs": set(),
    "upscaling": {"flashvsr_core", "media"},
    "client": set(),
    "benchmark": {"flashvsr_core", "media", "upscaling"},
    "evaluation": {"flashvsr_core", "media", "upscaling", "training"},
    "cli": {"flashvsr_core", "media", "upscaling", "client", "evaluation"},
    "api": {"jobs", "media"},
    "worker": {"jobs", "media", "flashvsr_core", "upscaling"},
    "training": {"flashvsr_core", "media", "upscaling"},
    "migrations": {"jobs"},
}

WITHOUT_TORCH = {"api", "client", "jobs", "media", "migrations"}


def imported_packages(package: Path) -> dict[str, set[str]]:
    """Return every top-level package that is imported, with the files that import it."""
    found: dict[str, set[str]] = {}
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(str(file.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("package", [name for name in ALLOWED if (ROOT / name).is_dir()])
def test_package_imports_only_what_its_arrows_allow(package: str) -> None:
    imported = imported_packages(ROOT / package)
    assert imported, f"{package} has no sources"
    forbidden = (set(ALLOWED) | {"tests"}) - ALLOWED[package] - {package}
    assert {name: imported[name] for name in forbidden & set(imported)} == {}
    if package in WITHOUT_TORCH:
        assert "torch" not in imported
