"""The OpenAPI document, and the page that shows it without a network."""

import re
from typing import Any

import pytest

from api.schemas.jobs import Color, Container
from flashvsr_core.color import COLOR_CHOICES
from flashvsr_core.geometry import SCALES
from media.containers import WRITABLE_FORMATS
from tests.api.routes_of import routes_of
from tests.api.world import World


@pytest.fixture
def document(embedded: World) -> dict[str, Any]:
    found: dict[str, Any] = embedded.client().get("/openapi.json").json()
    return found


def test_every_operation_says_what_can_go_wrong(document: dict[str, Any]) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["tags"], where
            assert operation["summary"], where
            assert operation.get("description"), where
            answers = operation["responses"]
            if path != "/healthz":
                assert "500" in answers, where
            # What stores post comes with a secret and not with a key.
            if path.startswith("/v1") and path != "/v1/events/s3":
                assert {"401", "403", "422", "429", "503"} <= answers.keys(), where
                assert operation["security"] == [{"apiKey": []}], where
            for status, answer in answers.items():
                if int(status) >= 400 and status != "416" and path != "/readyz":
                    assert answer["content"] == {"application/problem+json": problem}, where
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert document["components"]["schemas"]["NewJob"]["examples"]


def test_every_route_is_in_it(embedded: World, document: dict[str, Any]) -> None:
    paths = {route.path for route in routes_of(embedded.app) if route.path.startswith("/v1")}
    assert paths <= document["paths"].keys()


def test_the_page_asks_nobody_else(embedded: World) -> None:
    http = embedded.client()
    page = http.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    files = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(files) == 4
    for name in files:
        assert not name.startswith(("http", "//")), name
        if name != "data:,":
            file = http.get(f"/{name}")
            assert file.status_code == 200, name
            assert file.headers["content-type"].split(";")[0] in ("text/css", "text/javascript")
    assert "://" not in page.text + http.get("/docs/start.js").text
    css = http.get("/docs/swagger-ui.css").text
    assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", css)
    assert http.get("/docs/../secret").status_code == 404
    assert http.get("/", follow_redirects=True).url.path == "/docs"


def test_choices_are_those_of_the_engine_and_of_media(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["NewJob"]["properties"]
    assert set(Color.__args__) == set(COLOR_CHOICES)  # type: ignore[attr-defined]
    assert {f".{name}" for name in Container.__args__} <= WRITABLE_FORMATS.keys()  # type: ignore[attr-defined]
    assert fields["scale"]["anyOf"][0]["enum"] == [*SCALES]


def test_metrics_are_read_from_the_rows(embedded: World) -> None:
    alice = embedded.tenant("alice")
    alice.submit()
    alice.submit()
    embedded.claim()
    text = alice.http.get("/metrics").text
    assert 'flashvsr_jobs{queue="a100",state="queued"} 1.0' in text
    assert 'flashvsr_jobs{queue="a100",state="running"} 1.0' in text
    assert 'flashvsr_ready_jobs{queue="a100"} 1.0' in text
    assert 'flashvsr_oldest_wait_seconds{queue="a100"}' in text
    assert 'method="POST",route="/v1/jobs",status="202"' in text
    assert "alice" not in text
