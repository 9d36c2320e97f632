"""The order of two events about the same key."""

import re
from typing import Literal

Order = Literal["older", "same", "newer", "unknown"]

_HEX = re.compile(r"[0-9A-Fa-f]+")


def order_of(sequencer: str | None, known: str | None) -> Order:
    """Tell how an event's sequencer stands to one that is known; both are of the same key.

    Sequencers are hexadecimal and of any length; the shorter one is padded with zeros on its right,
    as S3 prescribes. Where one is absent or no such number, nothing can be told.
    """
    if not sequencer or not known or not (_HEX.fullmatch(sequencer) and _HEX.fullmatch(known)):
        return "unknown"
    length = max(len(sequencer), len(known))
    ours, theirs = (text.upper().ljust(length, "0") for text in (sequencer, known))
    if ours == theirs:
        return "same"
    return "newer" if ours > theirs else "older"
