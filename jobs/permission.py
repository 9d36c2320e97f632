"""Which buckets an API key opens; without an entry, none."""

from jobs.api_key import KeyLimits
from jobs.errors import RequestInvalidError


def check_readable(limits: KeyLimits, url: str) -> None:
    """Refuse an address, or the beginning of addresses, that a key may not read.

    Raises:
        RequestInvalidError: it may not.

    """
    if not url.startswith(limits.input_prefixes):
        raise RequestInvalidError(
            f"This API key may not read {url[:1200]}; upload the file, or have the address added"
            " to the key's input prefixes ('python -m api keys create --input-prefix')."
        )


def check_writable(limits: KeyLimits, url: str) -> None:
    """Refuse an address, or the beginning of addresses, that a key may not write to.

    Raises:
        RequestInvalidError: it may not.

    """
    if not url.startswith(limits.output_prefixes):
        raise RequestInvalidError(
            f"This API key may not write to {url[:1200]}; have the address added to the key's"
            " output prefixes ('python -m api keys create --output-prefix')."
        )
