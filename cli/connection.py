"""Where the service is, and the key that opens it."""

import os
from typing import Annotated

import typer

from cli.errors import UsageError
from client import FlashVSRClient

Url = Annotated[str | None, typer.Option(help="Of the service; else FLASHVSR_URL, else local.")]
Key = Annotated[str | None, typer.Option(help="API key; else FLASHVSR_API_KEY.")]

LOCAL_URL = "http://127.0.0.1:8000"


def connect(url: str | None, key: str | None) -> FlashVSRClient:
    """Open a client of the service that the options or the environment name."""
    key = key or os.environ.get("FLASHVSR_API_KEY")
    if not key:
        raise UsageError("There is no API key; set FLASHVSR_API_KEY, or give one with --key")
    return FlashVSRClient(url or os.environ.get("FLASHVSR_URL") or LOCAL_URL, key)
