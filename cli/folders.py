"""Which weights are used when nobody says."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

SMALL_MODEL = "nano"
"""The model that comes with the code."""

Weights = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|NAME",
        help="Weights folder, or the name of a model that comes along; else the downloaded one,"
        " else nano.",
    ),
]
"""A string, because a path forgets the `./` that tells a folder from a name."""


def weights_home() -> Path:
    """Return the folder that holds one weights folder per version."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "flashvsr" / "weights"


def downloaded_weights() -> Path | None:
    """Return the newest downloaded version's folder, or None."""
    for version in ("v1.1", "v1"):
        folder = weights_home() / version
        if folder.is_dir():
            return folder
    return None


def default_weights() -> str:
    """Return the newest downloaded version's folder, else the small model's name, and say so.

    What it returns is for `find_weights`, which needs torch; this does not.
    """
    folder = downloaded_weights()
    if folder is not None:
        return str(folder.absolute())
    print(
        f"Using the small model '{SMALL_MODEL}', which comes with this project; for the authors'"
        " quality: flashvsr weights download",
        file=sys.stderr,
    )
    return SMALL_MODEL
