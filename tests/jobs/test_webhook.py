"""The Standard Webhooks signature, against the vector of the standard's own libraries."""

import pytest

from jobs.webhook import TOLERANCE_S, is_genuine, new_webhook_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

SIGNED = {
    "webhook-id": MESSAGE,
    "webhook-timestamp": str(TIMESTAMP),
    "webhook-signature": SIGNATURE,
}


def test_signature_is_the_standards() -> None:
    assert sign(SECRET, MESSAGE, TIMESTAMP, BODY) == SIGNED


def test_one_good_signature_among_several_is_enough() -> None:
    headers = SIGNED | {"webhook-signature": f"v1,bm9wZQ== {SIGNATURE} v1a,b3RoZXI="}
    assert is_genuine(SECRET, headers, BODY, TIMESTAMP)


@pytest.mark.parametrize("late_s", [-TOLERANCE_S, 0, TOLERANCE_S])
def test_genuine_within_the_tolerance(late_s: int) -> None:
    assert is_genuine(SECRET, SIGNED, BODY, TIMESTAMP + late_s)
    assert not is_genuine(SECRET, SIGNED, BODY, TIMESTAMP + late_s + 2 * TOLERANCE_S + 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": str(TIMESTAMP + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "²"},
        {"webhook-signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook-signature": ""},
        {"webhook-signature": "é"},
    ],
)
def test_anything_changed_is_not_genuine(changed: dict[str, str]) -> None:
    assert not is_genuine(SECRET, SIGNED | changed, BODY, TIMESTAMP)


def test_other_bodies_and_secrets_are_not_genuine() -> None:
    assert not is_genuine(SECRET, SIGNED, BODY + b" ", TIMESTAMP)
    assert not is_genuine(new_webhook_secret(), SIGNED, BODY, TIMESTAMP)
    assert not is_genuine(SECRET, {}, BODY, TIMESTAMP)


def test_new_secrets_sign() -> None:
    secret = new_webhook_secret()
    assert is_genuine(secret, sign(secret, "m", TIMESTAMP, b"x"), b"x", TIMESTAMP)
    with pytest.raises(ValueError, match="base64"):
        sign("whsec_!", "m", TIMESTAMP, b"x")
