"""API keys of the caller's tenant; operators make others with `python -m api keys`."""

from fastapi import APIRouter

from api.auth import Admin
from api.deps import ServicesDep
from api.schemas.keys import KeyListOut, KeyOut, NewKey, NewKeyOut
from api.schemas.problems import keyed
from api.schemas.texts import KeyId
from jobs.api_key import KeyLimits
from jobs.errors import LimitError

router = APIRouter(prefix="/v1/keys", tags=["API keys"])


@router.post("", status_code=201, responses=keyed(413))
def create_key(body: NewKey, key: Admin, services: ServicesDep) -> NewKeyOut:
    """Make a key; its secrets are in this answer and nowhere else."""
    limits = body.limits_under(key.limits)
    _check_within(limits, key.limits)
    with services.database.transaction() as rows:
        new = rows.api_keys.create(key.actor, key.tenant, body.name, set(body.scopes), limits)
    return NewKeyOut.of_new(new)


@router.get("", responses=keyed())
def list_keys(key: Admin, services: ServicesDep) -> KeyListOut:
    """List keys, also revoked ones."""
    with services.database.reading() as rows:
        return KeyListOut(keys=[KeyOut.of(each) for each in rows.api_keys.list(key.tenant)])


@router.delete("/{key_id}", responses=keyed(404))
def revoke_key(key_id: KeyId, key: Admin, services: ServicesDep) -> KeyOut:
    """Make a key useless from now on; its jobs go on."""
    with services.database.transaction() as rows:
        return KeyOut.of(rows.api_keys.revoke(key.actor, key_id))


def _check_within(wanted: KeyLimits, own: KeyLimits) -> None:
    """Keep a tenant from lifting the limits that the operator gave it."""
    for name in ("requests_per_minute", "queued_jobs", "pixels", "duration_s", "upload_bytes"):
        most, asked = getattr(own, name), getattr(wanted, name)
        if most is not None and (asked is None or asked > most):
            raise LimitError(f"{name} can be at most {most}, as with the key that makes this one.")
    for prefix in wanted.input_prefixes:
        if not prefix.startswith(own.input_prefixes):
            raise LimitError(f"This key may not read {prefix}, so it cannot allow that to others.")
    for prefix in wanted.output_prefixes:
        if not prefix.startswith(own.output_prefixes):
            raise LimitError(f"This key may not write {prefix}, so it cannot allow it to others.")
