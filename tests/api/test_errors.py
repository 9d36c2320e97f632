"""Every error is a problem document, and says nothing of this side's insides."""

from collections.abc import Iterator

import pytest

from api.errors import TABLE, ApiError, answer_to
from jobs.errors import DatabaseUnavailableError, JobsError
from media.errors import MediaError
from tests.api.conftest import MakeWorld
from tests.api.world import World


def everything_below(kind: type[Exception]) -> Iterator[type[Exception]]:
    for below in kind.__subclasses__():
        yield below
        yield from everything_below(below)


@pytest.mark.parametrize("root", [ApiError, JobsError])
def test_every_error_has_its_line(root: type[Exception]) -> None:
    assert {kind for kind in everything_below(root) if kind.__module__ == root.__module__} <= (
        TABLE.keys()
    )


def test_errors_of_media_have_their_family_s_line() -> None:
    for kind in everything_below(MediaError):
        assert any(above in TABLE for above in kind.__mro__[:-1])
    assert answer_to(RuntimeError()).status == 500


def test_codes_are_unique_and_stable_in_form() -> None:
    codes = [vars(kind)["code"] for kind in TABLE if kind is not ApiError]
    assert len(codes) == len(set(codes))
    assert all(code.replace("_", "").isalnum() and code.islower() for code in codes)


def test_unknown_addresses_and_methods(embedded: World) -> None:
    http = embedded.client()
    answer = http.get("/v1/films/<script>")
    assert (answer.status_code, answer.json()["code"]) == (404, "address_not_found")
    assert answer.headers["content-type"] == "application/problem+json"
    answer = http.put("/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "allow" in answer.headers


def test_broken_bodies(embedded: World, subtests: pytest.Subtests) -> None:
    alice = embedded.tenant("alice")
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"[]", b"null", b'"a"', b"\xff\xfe", b"[" * 100_000, b'{"scale": NaN}'):
        with subtests.test(body=body[:20]):
            answer = alice.http.post("/v1/jobs", content=body, headers=headers)
            assert answer.status_code in (400, 422), answer.text
            assert answer.headers["content-type"] == "application/problem+json"


def test_fields_are_pointed_at(embedded: World) -> None:
    alice = embedded.tenant("alice")
    answer = alice.http.post("/v1/jobs", json={"crf": -1, "a/<b>": 1})
    pointers = {error["pointer"]: error["where"] for error in answer.json()["errors"]}
    assert pointers == {"/crf": "body", "/a~1<b>": "body"}


def test_a_huge_body_is_refused(make_embedded: MakeWorld) -> None:
    alice = make_embedded(body_max_bytes=1000).tenant("alice")
    headers = {"Content-Type": "application/json"}
    big = b'{"name": "' + b"a" * 2000 + b'"}'
    for content in (big, iter([big])):
        answer = alice.http.post("/v1/jobs", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_surprise_tells_nothing(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = embedded.tenant("alice")

    def surprise() -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(embedded.database, "reading", surprise)
    answer = alice.http.get("/v1/jobs", headers={"X-Request-ID": "find-me"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "swordfish" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "find-me"


def test_an_absent_database_is_told_without_its_address(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = embedded.tenant("alice")

    def absent() -> None:
        raise DatabaseUnavailableError("postgresql://db.internal does not answer")

    for name in ("reading", "transaction", "ping"):
        monkeypatch.setattr(embedded.database, name, absent)
    answer = alice.http.get("/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "2"
    assert "internal" not in answer.text
    ready = alice.http.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (503, "failing")
    assert alice.http.get("/metrics").status_code == 503
    assert alice.http.get("/healthz").status_code == 200


def test_request_ids_that_could_do_harm_are_replaced(embedded: World) -> None:
    answer = embedded.client().get("/healthz", headers={"X-Request-ID": "a b<script>"})
    assert answer.headers["x-request-id"].isalnum()
