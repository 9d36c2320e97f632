"""Keys, scopes and tenants, tried on every route there is."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from jobs.api_key import SCOPES, KeyLimits
from tests.api.routes_of import routes_of
from tests.api.world import FILMS, Tenant, World

OPEN = {"/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{name}"}
OPEN |= {"/docs/start.js", "/objects/{key:path}", "/v1/events/s3"}
"""Routes without a key; the last two take signed links, and secrets of watches."""

BODIES = {
    ("POST", "/v1/jobs"): {"input_url": "s3://films/a.mp4"},
    ("POST", "/v1/uploads"): {"filename": "a", "size_bytes": 1},
    ("POST", "/v1/keys"): {"name": "a", "scopes": ["jobs:read"]},
    ("POST", "/v1/watches"): {"prefix": "s3://films/in/"},
    ("POST", "/v1/batches"): {"prefix": "s3://films/in/"},
}


def keyed_routes(world: World) -> list[tuple[str, APIRoute]]:
    return [
        (method, route)
        for route in routes_of(world.app)
        if route.path not in OPEN
        for method in route.methods or ()
    ]


def test_every_route_wants_a_key_and_its_scope(embedded: World) -> None:
    nobody = embedded.client()
    stranger = embedded.client({"Authorization": "Bearer fvsr_" + "a" * 43})
    powerless = {
        scope: embedded.tenant("alice", scopes=tuple(s for s in SCOPES if s != scope))
        for scope in SCOPES
    }
    for method, route in keyed_routes(embedded):
        path = re.sub(r"\{(\w+)_id\}", lambda found: _unknown_id(found[1]), route.path)
        body = BODIES.get((method, route.path))
        missing = nobody.request(method, path, json=body)
        assert (missing.status_code, missing.json()["code"]) == (401, "unauthenticated"), path
        assert missing.headers["www-authenticate"] == "Bearer"
        wrong = stranger.request(method, path, json=body)
        assert (wrong.status_code, wrong.json()["code"]) == (401, "key_invalid"), path
        refused = [
            scope
            for scope, tenant in powerless.items()
            if tenant.http.request(method, path, json=body).status_code == 403
        ]
        assert len(refused) == 1, f"{method} {path} wants {refused}"


def _unknown_id(kind: str) -> str:
    kinds = {"job": "job", "upload": "upl", "key": "key", "watch": "wat", "batch": "bat"}
    return f"{kinds[kind]}_{'0' * 26}"


def test_what_belongs_to_others_is_not_found(
    world: World, alice: Tenant, bob: Tenant, tmp_path: Path
) -> None:
    upload_id = alice.upload()
    job = alice.submit()
    world.succeed(world.claim(), tmp_path)
    assert alice.actor.key_id is not None
    ids = {"{job_id}": job["id"], "{upload_id}": upload_id, "{key_id}": alice.actor.key_id}
    ids["{batch_id}"] = alice.http.post("/v1/batches", json={"prefix": "s3://films/"}).json()["id"]
    ids["{watch_id}"] = _watch(world, alice)
    before = world.job(job["id"])
    tried = 0
    for method, route in keyed_routes(world):
        named = [place for place in ids if place in route.path]
        if named:
            path = route.path.replace(named[0], ids[named[0]])
            answer = bob.http.request(method, path)
            assert answer.status_code == 404, f"{method} {path}: {answer.text}"
            unknown = bob.http.request(method, route.path.replace(named[0], _other(named[0])))
            assert unknown.json()["code"] == answer.json()["code"], "both look the same"
            tried += 1
        else:
            assert "{" not in route.path, f"{route.path} names something that is not tried here"
    assert tried >= 12
    assert bob.http.post("/v1/jobs", json={"upload_id": upload_id}).status_code == 404
    for path, field in (("/v1/jobs", "jobs"), ("/v1/keys", "keys")):
        owners = {found["id"] for found in bob.http.get(path).json()[field]}
        assert owners <= {bob.actor.key_id}
    assert world.job(job["id"]) == before
    assert alice.http.get("/v1/keys").status_code == 200, "her key still works"


def _watch(world: World, tenant: Tenant) -> str:
    limits = KeyLimits(input_prefixes=("s3://films/",), output_prefixes=("s3://films/",))
    with world.database.transaction() as rows:
        actor = replace(tenant.actor, limits=limits)
        return rows.watches.add(actor, "s3://films/in/").watch.id


def _other(place: str) -> str:
    return _unknown_id(place.strip("{}").removesuffix("_id"))


def test_a_key_is_made_shown_once_used_and_revoked(world: World, alice: Tenant) -> None:
    made = alice.http.post(
        "/v1/keys", json={"name": "<b>night</b>", "scopes": ["jobs:read"], "limits": {"pixels": 9}}
    )
    assert made.status_code == 201
    new = made.json()
    assert new["secret"].startswith("fvsr_")
    assert new["webhook_secret"].startswith("whsec_")
    assert new["limits"]["input_prefixes"] == ["s3://films/"], "taken over"
    with world.database.reading() as rows:
        assert rows.api_keys.authenticate(new["secret"]).limits.pixels == 9
    listed = alice.http.get("/v1/keys")
    assert new["secret"] not in listed.text
    assert [key["name"] for key in listed.json()["keys"]] == ["test", "<b>night</b>"]
    night = world.client({"Authorization": f"bearer {new['secret']}"})
    assert night.get("/v1/jobs").status_code == 200
    assert alice.http.delete(f"/v1/keys/{new['id']}").json()["revoked_at"] is not None
    assert night.get("/v1/jobs").json()["code"] == "key_invalid"


BEYOND: list[dict[str, object]] = [
    {"input_prefixes": ["s3://of-others/"]},
    {"input_prefixes": ["s3://films"]},
    {"requests_per_minute": 5001},
    {"requests_per_minute": None},
]


def test_no_tenant_lifts_its_own_limits(embedded: World, subtests: pytest.Subtests) -> None:
    bounds = KeyLimits(requests_per_minute=5000, input_prefixes=FILMS.input_prefixes)
    alice = embedded.tenant("alice", bounds)
    for limits in BEYOND:
        with subtests.test(str(limits)):
            body = {"name": "more", "scopes": ["jobs:read"], "limits": limits}
            answer = alice.http.post("/v1/keys", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "limit_exceeded")
    with embedded.database.reading() as rows:
        assert len(rows.api_keys.list("alice")) == 1
