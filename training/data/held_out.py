"""The one rule about what is never trained on."""

from pathlib import Path

from training.data.errors import HeldOutError

HELD_OUT_PREFIX = "heldout"
"""Files whose names begin with this, in any case, are for evaluation only."""


def is_held_out(path: str | Path) -> bool:
    """Tell whether a file is kept for evaluation, by its name."""
    return Path(path).name.lower().startswith(HELD_OUT_PREFIX)


def refuse_held_out(path: str | Path) -> None:
    """Raise `HeldOutError` if the file is kept for evaluation."""
    if is_held_out(path):
        raise HeldOutError(
            f"{Path(path).name} is held out for evaluation and is never trained on; "
            "move it out of the training folder"
        )
