"""Ids that sort by the time they were made and cannot be guessed."""

import secrets
import time
from typing import Literal

Kind = Literal["job", "upl", "key", "out", "aud", "usr", "bat", "wat", "evt"]

# Crockford's base 32 in lower case: no i, l, o, u, and in the order of ASCII.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(kind: Kind) -> str:
    """Make an id such as `job_01k9x3v7zq4c8m2n5t6r0wabcd`: 48 bits of milliseconds, 80 random."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    digits = (_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{kind}_{''.join(digits)}"
