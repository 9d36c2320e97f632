"""schemathesis over the OpenAPI document: no 5xx, and no answer that is not documented."""

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import MakeWorld
from tests.api.world import Tenant

EXAMPLES = {GenerationMode.POSITIVE: 12, GenerationMode.NEGATIVE: 8}
"""Cases for each of some twenty operations."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("mode", EXAMPLES, ids=lambda mode: mode.value)
def test_no_answer_is_a_surprise(make_embedded: MakeWorld, mode: GenerationMode) -> None:
    world = make_embedded(wait_max_s=0.05, stream_max_s=0.05)
    alice = world.tenant("alice")
    schema = schemathesis.openapi.from_dict(alice.http.get("/openapi.json").json())
    statuses: list[int] = []
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {alice.secret}"
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            if mode is GenerationMode.POSITIVE:
                known = _things_to_find(alice)
            elif [*operation.iter_parameters(), *operation.body]:
                known = {}
            else:
                continue  # nothing of it can be wrong
            statuses += _answers(session, world.url, operation, mode, known)
    assert len(statuses) > 150
    expected = {200, 201, 202, 204, 404, 409} if mode is GenerationMode.POSITIVE else {404, 422}
    assert expected <= set(statuses)


def _answers(
    session: requests.Session,
    url: str,
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    known: dict[str, str],
) -> list[int]:
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES[mode],
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode), is_known=st.booleans())
    def run(case: Any, is_known: bool) -> None:
        # What is made up finds nothing, so every other case is led to something real.
        if is_known:
            case.path_parameters |= {
                name: known[name] for name in case.path_parameters if name in known
            }
        answer = case.call_and_validate(
            base_url=url, session=session, checks=CHECKS, allow_redirects=False
        )
        statuses.append(answer.status_code)

    run()
    return statuses


def _things_to_find(tenant: Tenant) -> dict[str, str]:
    made = tenant.http.post("/v1/keys", json={"name": "more", "scopes": ["jobs:read"]})
    return {
        "job_id": tenant.submit()["id"],
        "upload_id": tenant.upload(),
        "key_id": made.json()["id"],
        "batch_id": tenant.http.post("/v1/batches", json={"prefix": "s3://films/"}).json()["id"],
    }
