"""Signing and checking webhooks the Standard Webhooks way (standardwebhooks.com, version 1).

Sending is not this module's business; it knows bytes and secrets only.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

_PREFIX = "whsec_"
TOLERANCE_S = 300


def new_webhook_secret() -> str:
    """Make a secret of 256 random bits in the standard's form."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the three headers for one delivery.

    Args:
        secret: `whsec_` and base64.
        message_id: the same for every try at delivering the message.
        timestamp_s: of this try, in seconds since 1970.
        body: exactly the bytes that are sent.

    Raises:
        ValueError: the secret is not in this form.

    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{_digest(secret, message_id, str(timestamp_s), body)}",
    }


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Tell whether a delivery was signed with the secret and is not older than five minutes.

    Args:
        secret: `whsec_` and base64.
        headers: of the delivery, with names in lower case.
        body: exactly the bytes that came.
        now_s: the receiver's time.

    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit():
        return False
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        return False
    expected = f"v1,{_digest(secret, message_id, timestamp, body)}".encode()
    offered = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected, signature.encode()) for signature in offered)


def _digest(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("A webhook secret must be whsec_ followed by base64.") from error
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
