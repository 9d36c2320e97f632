"""Every query by name, grouped by who asks; all of them inside a transaction of `jobs.database`."""

from sqlalchemy.orm import Session

from jobs.policy import Policy
from jobs.repository.api_keys import ApiKeys
from jobs.repository.audit_log import AuditLog
from jobs.repository.claims import Claims
from jobs.repository.job_lists import JobLists
from jobs.repository.outbox import Outbox
from jobs.repository.queues import Queues
from jobs.repository.submissions import Submissions
from jobs.repository.sweeps import Sweeps
from jobs.repository.uploads import Uploads
from jobs.repository.workers import Workers


class Repository:
    """What can be read and changed within one transaction.

    Reads take a tenant's name, or `EVERY_TENANT`; what belongs to another tenant is not found.
    Changes take an `Actor`, whose name goes into the audit log.
    """

    def __init__(self, session: Session, policy: Policy) -> None:
        self.jobs = Submissions(session, policy)
        self.job_lists = JobLists(session)
        self.claims = Claims(session, policy)
        self.sweeps = Sweeps(session, policy)
        self.outbox = Outbox(session, policy)
        self.uploads = Uploads(session, policy)
        self.api_keys = ApiKeys(session)
        self.workers = Workers(session)
        self.queues = Queues(session)
        self.audit_log = AuditLog(session)
