"""Models that come with this package, and the one place where `--weights` becomes a folder."""

from pathlib import Path

from flashvsr_core.weights.manifest import MANIFEST_FILE

_HOME = Path(__file__).parent


def bundled_models() -> list[str]:
    """Return the names of the models whose weights lie inside this package."""
    return sorted(manifest.parent.name for manifest in _HOME.glob(f"*/{MANIFEST_FILE}"))


def find_weights(given: str) -> Path:
    """Return the weights folder that somebody means, which need not exist.

    A bare name of a bundled model is always that model, whatever lies in the current folder: a
    folder of one's own with such a name is written `./nano`.

    Args:
        given: a name of `bundled_models`, or a folder's path.

    """
    return _HOME / given if given in bundled_models() else Path(given)
