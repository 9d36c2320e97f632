"""How much is kept for whom."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.repository.states import in_state
from jobs.tables import JobRow, OutboxRow, UploadRow


@dataclass(frozen=True)
class TenantUse:
    """What is kept for one tenant; posters and previews are not counted."""

    tenant: str
    uploads: int
    upload_bytes: int
    results: int
    result_bytes: int

    @property
    def total_bytes(self) -> int:
        """Uploads and results together."""
        return self.upload_bytes + self.result_bytes


class StorageUse:
    """Sums over rows; the store itself is not asked."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def by_tenant(self) -> list[TenantUse]:
        """Add up what is kept, the largest first."""
        uploads = select(
            UploadRow.tenant, func.count(), func.coalesce(func.sum(UploadRow.size_bytes), 0)
        ).group_by(UploadRow.tenant)
        results = (
            select(JobRow.tenant, func.count(), func.coalesce(func.sum(JobRow.result_bytes), 0))
            .where(in_state("succeeded"))
            .group_by(JobRow.tenant)
        )
        sent = {
            tenant: (count, int(size or 0))
            for tenant, count, size in self._session.execute(uploads)
        }
        made = {
            tenant: (count, int(size or 0))
            for tenant, count, size in self._session.execute(results)
        }
        nothing = (0, 0)
        found = [
            TenantUse(tenant, *sent.get(tenant, nothing), *made.get(tenant, nothing))
            for tenant in sent.keys() | made.keys()
        ]
        return sorted(found, key=lambda use: (-use.total_bytes, use.tenant))

    def pending_removals(self) -> int:
        """Count the folders that the sweeper has still to remove."""
        query = select(func.count()).select_from(OutboxRow)
        pending = (OutboxRow.delivered_at.is_(None), OutboxRow.dead_at.is_(None))
        return self._session.scalars(query.where(OutboxRow.topic == "removal", *pending)).one()
