"""Files that people send: announced, completed, kept as long as a job may need them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from jobs.api_key import EVERY_TENANT, Actor
from jobs.clock import later, now
from jobs.errors import UploadNotFoundError, UploadStateError
from jobs.object_keys import upload_key, upload_prefix
from jobs.policy import Policy
from jobs.repository.audit_log import record
from jobs.repository.cursor import older_than, page_of
from jobs.repository.outbox import post_removal
from jobs.repository.states import in_state
from jobs.repository.visibility import visible
from jobs.tables import JobRow, UploadRow


@dataclass(frozen=True)
class Upload:
    """A file that somebody sends, or sent."""

    id: str
    tenant: str
    object_key: str
    filename: str
    content_type: str
    size_bytes: int
    multipart_id: str | None
    """Of the object store; None where the file comes in one piece."""
    part_size_bytes: int | None
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime

    @property
    def state(self) -> Literal["pending", "complete"]:
        """Whether the bytes have come."""
        return "pending" if self.completed_at is None else "complete"


@dataclass(frozen=True)
class UploadPage:
    """Uploads, newest first, and where the next page begins."""

    uploads: tuple[Upload, ...]
    next_cursor: str | None


class Uploads:
    """Rows of uploads; the bytes go past this package, into the object store."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def announce(
        self,
        actor: Actor,
        upload_id: str,
        *,
        filename: str,
        content_type: str,
        size_bytes: int,
        multipart_id: str | None = None,
        part_size_bytes: int | None = None,
    ) -> Upload:
        """Write down an upload before its first byte comes, so that no object is without owner.

        Args:
            actor: whose it is.
            upload_id: from `new_id("upl")`; the object key follows from it.
            filename: as the sender calls it; shown, never opened.
            content_type: as the sender says.
            size_bytes: which the object must have at completion.
            multipart_id: of `Storage.start_multipart`.
            part_size_bytes: of all parts but the last.

        """
        assert actor.tenant != EVERY_TENANT, "an upload belongs to one tenant"
        row = self._session.scalars(
            insert(UploadRow)
            .values(
                id=upload_id,
                tenant=actor.tenant,
                key_id=actor.key_id,
                object_key=upload_key(upload_id),
                filename=filename,
                content_type=content_type,
                size_bytes=size_bytes,
                multipart_id=multipart_id,
                part_size_bytes=part_size_bytes,
                created_at=now(),
                expires_at=later(now(), self._policy.upload_pending_s),
            )
            .returning(UploadRow)
        ).one()
        record(self._session, actor, "upload.announced", row.id, row.tenant, size_bytes=size_bytes)
        return _upload_of(row)

    def get(self, tenant: str, upload_id: str) -> Upload:
        """Read an upload.

        Raises:
            UploadNotFoundError: there is none that this tenant can see.

        """
        return _upload_of(_find(self._session, tenant, upload_id))

    def page(self, tenant: str, *, limit: int = 50, cursor: str | None = None) -> UploadPage:
        """List uploads, newest first.

        Raises:
            RequestInvalidError: the cursor is not one that an earlier page gave.

        """
        query = select(UploadRow).where(visible(UploadRow.tenant, tenant))
        if cursor is not None:
            query = query.where(older_than(cursor, UploadRow.created_at, UploadRow.id))
        query = query.order_by(UploadRow.created_at.desc(), UploadRow.id.desc()).limit(limit + 1)
        rows = self._session.scalars(query).all()
        shown, next_cursor = page_of(rows, limit, lambda row: (row.created_at, row.id))
        return UploadPage(tuple(map(_upload_of, shown)), next_cursor)

    def complete(self, tenant: str, upload_id: str) -> Upload:
        """Mark an upload whose object the caller has verified; twice is as good as once.

        Raises:
            UploadNotFoundError: there is none that this tenant can see.

        """
        row = self._session.scalar(
            update(UploadRow)
            .where(
                UploadRow.id == upload_id,
                visible(UploadRow.tenant, tenant),
                UploadRow.completed_at.is_(None),
            )
            .values(completed_at=now(), expires_at=later(now(), self._policy.upload_kept_s))
            .returning(UploadRow)
        )
        return _upload_of(row or _find(self._session, tenant, upload_id))

    def delete(self, actor: Actor, upload_id: str) -> None:
        """Forget an upload, complete or not, and have its bytes removed.

        Raises:
            UploadNotFoundError: there is none that this tenant can see.
            UploadStateError: a waiting or running job needs it.

        """
        # Locked, as submissions do it, so that no job can take the upload meanwhile.
        found = select(UploadRow).where(
            UploadRow.id == upload_id, visible(UploadRow.tenant, actor.tenant)
        )
        row = self._session.scalar(found.with_for_update())
        if row is None:
            raise _not_found(upload_id)
        needed = select(JobRow.id).where(
            JobRow.upload_id == upload_id, in_state("queued", "running")
        )
        if (job_id := self._session.scalar(needed.limit(1))) is not None:
            raise UploadStateError(f"{job_id} needs {upload_id}; cancel the job first.")
        self._session.execute(delete(UploadRow).where(UploadRow.id == upload_id))
        post_removal(self._session, row.tenant, upload_prefix(upload_id))
        record(self._session, actor, "upload.deleted", upload_id, row.tenant)


def keep_for_job(session: Session, policy: Policy, tenant: str, upload_id: str) -> None:
    """Keep an upload for a job that is queued now, and longer than it.

    Raises:
        UploadNotFoundError: there is none that this tenant can see.
        UploadStateError: it is not complete.

    """
    row = session.scalar(
        update(UploadRow)
        .where(
            UploadRow.id == upload_id,
            UploadRow.tenant == tenant,
            UploadRow.completed_at.is_not(None),
        )
        .values(expires_at=later(now(), policy.upload_kept_s))
        .returning(UploadRow)
    )
    if row is None:
        _find(session, tenant, upload_id)
        raise UploadStateError(f"{upload_id} is not complete; complete it, then submit the job.")


def _find(session: Session, tenant: str, upload_id: str) -> UploadRow:
    row = session.scalar(
        select(UploadRow).where(UploadRow.id == upload_id, visible(UploadRow.tenant, tenant))
    )
    if row is None:
        raise _not_found(upload_id)
    return row


def _not_found(upload_id: str) -> UploadNotFoundError:
    return UploadNotFoundError(f"There is no upload {upload_id}; it may have expired.")


def _upload_of(row: UploadRow) -> Upload:
    return Upload(
        id=row.id,
        tenant=row.tenant,
        object_key=row.object_key,
        filename=row.filename,
        content_type=row.content_type,
        size_bytes=row.size_bytes,
        multipart_id=row.multipart_id,
        part_size_bytes=row.part_size_bytes,
        created_at=row.created_at,
        completed_at=row.completed_at,
        expires_at=row.expires_at,
    )
