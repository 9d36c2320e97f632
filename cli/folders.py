"""Where weights lie when nobody says."""

import os
from pathlib import Path


def weights_home() -> Path:
    """Return the folder that holds one weights folder per version."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "flashvsr" / "weights"


def default_weights() -> Path | None:
    """Return the newest downloaded version's folder, or None."""
    for version in ("v1.1", "v1"):
        folder = weights_home() / version
        if folder.is_dir():
            return folder
    return None
