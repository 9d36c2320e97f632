"""A fair order between tenants, decided once, when a job is queued.

Every queued job has a turn, and lower turns run first. A tenant's next job gets the turn after its
last waiting one's, but never one that the queue is already past. So ten thousand jobs of one tenant
take ten thousand turns, and the first job of another tenant comes right after those that run now:
start-time fair queueing, with every job costing the same. Nothing is sorted by tenant when a job is
claimed; the claim remains the head of one index. Priorities come first: turns are fair among jobs
of equal priority in one queue.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.repository.states import in_state
from jobs.tables import JobRow


def next_turn(session: Session, tenant: str, queue: str, urgency: int) -> int:
    """Return the turn of a job that is queued now."""
    here = (JobRow.queue == queue, JobRow.urgency == urgency)
    waiting, running = in_state("queued"), in_state("running")
    row = session.execute(
        select(
            select(func.max(JobRow.turn))
            .where(*here, waiting, JobRow.tenant == tenant)
            .scalar_subquery(),
            select(func.min(JobRow.turn)).where(*here, waiting).scalar_subquery(),
            select(func.max(JobRow.turn)).where(*here, running).scalar_subquery(),
        )
    ).one()
    own_last, first_waiting, last_running = row
    after_own = -1 if own_last is None else own_last
    return max(after_own + 1, first_waiting or 0, last_running or 0)
