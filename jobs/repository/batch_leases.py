"""The right to write about one batch, for whoever looks after it."""

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from jobs.batch import Batch
from jobs.bulk_tables import BatchRow
from jobs.clock import later, now
from jobs.errors import LeaseLostError
from jobs.policy import Policy
from jobs.repository.batch_rows import batch_of


@dataclass(frozen=True)
class BatchLease:
    """A lease; every write names its token."""

    batch_id: str
    token: str = field(repr=False)


def held(lease: BatchLease) -> tuple[ColumnElement[bool], ...]:
    """Keep the batch as long as the lease holds."""
    return (
        BatchRow.id == lease.batch_id,
        BatchRow.lease_token == lease.token,
        BatchRow.lease_until > now(),
    )


def keep(session: Session, policy: Policy, lease: BatchLease) -> Batch:
    """Renew the lease and read the batch as it is now.

    Raises:
        LeaseLostError: somebody else looks after it; stop.

    """
    # Nothing that anybody sees has changed, so the version stays.
    row = session.scalar(
        update(BatchRow)
        .where(*held(lease))
        .values(lease_until=later(now(), policy.batch_lease_s))
        .returning(BatchRow)
    )
    return batch_of(_found(lease, row))


def change(session: Session, lease: BatchLease, **values: object) -> Batch:
    """Change the batch.

    Raises:
        LeaseLostError: see `keep`.

    """
    row = session.scalar(
        update(BatchRow)
        .where(*held(lease))
        .values(version=BatchRow.version + 1, updated_at=now(), **values)
        .returning(BatchRow)
    )
    return batch_of(_found(lease, row))


def give_back(session: Session, lease: BatchLease, delay_s: float) -> None:
    """Let the batch be looked after again in so many seconds.

    Raises:
        LeaseLostError: see `keep`.

    """
    row = session.scalar(
        update(BatchRow)
        .where(*held(lease))
        .values(lease_token=None, lease_until=None, look_at=later(now(), delay_s))
        .returning(BatchRow)
    )
    _found(lease, row)


def _found(lease: BatchLease, row: BatchRow | None) -> BatchRow:
    if row is None:
        raise LeaseLostError(f"{lease.batch_id} is looked after by somebody else; leave it alone.")
    return row
