"""How boto3 is set up to talk to S3 and to servers that speak its protocol."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.config import Config

from jobs.errors import SettingsError

OPTIONS = ("endpoint", "public_endpoint", "region", "style")
STYLES = ("auto", "path", "virtual")


def open_client(endpoint: str | None, region: str | None, style: str) -> Any:  # noqa: ANN401 - boto3 has no types
    """Make a client; no request is made yet.

    Args:
        endpoint: of the server; None is Amazon's.
        region: of the buckets.
        style: `path`, `virtual` (the bucket as a host name), or `auto`: path for an endpoint.

    """
    if style == "auto":
        style = "path" if endpoint else "virtual"
    config = Config(
        # On endpoints of other makers boto3 would sign links the old way, v2.
        signature_version="s3v4",
        s3={"addressing_style": style},
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=32,
        # Newer checksums by default are refused by servers that do not know them.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = boto3.session.Session()
    return session.client("s3", endpoint_url=endpoint, region_name=region, config=config)


def read_options(name: str, url: str) -> dict[str, str]:
    """Read what stands behind the question mark of an `s3://` setting.

    Raises:
        SettingsError: an option is unknown; `name` is the setting.

    """
    options = dict(parse_qsl(urlsplit(url).query))
    if set(options) - set(OPTIONS) or options.get("style", "auto") not in STYLES:
        raise SettingsError(
            f"{name} must look like s3://bucket/prefix?endpoint=URL&region=NAME&style=path;"
            f" the options are {', '.join(OPTIONS)}, and style is one of {', '.join(STYLES)}."
        )
    return options
