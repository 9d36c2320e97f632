"""Every query by name, grouped by who asks; all of them inside a transaction of `jobs.database`."""

from sqlalchemy.orm import Session

from jobs.policy import Policy
from jobs.repository.api_keys import ApiKeys
from jobs.repository.audit_log import AuditLog
from jobs.repository.batch_feed import BatchFeed
from jobs.repository.batch_figures import BatchFigures
from jobs.repository.batch_work import BatchWork
from jobs.repository.batches import Batches
from jobs.repository.bulk import Bulk
from jobs.repository.claims import Claims
from jobs.repository.failures import Failures
from jobs.repository.job_lists import JobLists
from jobs.repository.logins import Logins
from jobs.repository.outbox import Outbox
from jobs.repository.queues import Queues
from jobs.repository.s3_events import S3Events
from jobs.repository.samples import Samples
from jobs.repository.storage_use import StorageUse
from jobs.repository.submissions import Submissions
from jobs.repository.sweeps import Sweeps
from jobs.repository.uploads import Uploads
from jobs.repository.users import Users
from jobs.repository.watch_listings import WatchListings
from jobs.repository.watched_objects import WatchedObjects
from jobs.repository.watches import Watches
from jobs.repository.webhooks import Webhooks
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
        self.batches = Batches(session, policy)
        self.batch_figures = BatchFigures(session)
        self.batch_work = BatchWork(session, policy)
        self.batch_feed = BatchFeed(session, policy)
        self.workers = Workers(session)
        self.queues = Queues(session)
        self.audit_log = AuditLog(session)
        self.users = Users(session, policy)
        self.logins = Logins(session, policy)
        self.samples = Samples(session)
        self.webhooks = Webhooks(session)
        self.failures = Failures(session)
        self.bulk = Bulk(session, policy)
        self.storage_use = StorageUse(session)
        self.watches = Watches(session)
        self.watch_listings = WatchListings(session)
        self.watched_objects = WatchedObjects(session, policy)
        self.s3_events = S3Events(session, policy)
