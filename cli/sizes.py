"""Sizes as people write them."""

from cli.errors import UsageError


def parse_size(text: str) -> tuple[int, int]:
    """Return width and height in pixels of `1920x1080`."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--size {text} is not a size; write it as 1920x1080")
    return int(width), int(height)
