"""A fair order between tenants and between the flows of each, decided when a job is queued.

Every queued job has a turn, and lower turns run first. A tenant's single jobs are one flow; each of
its batches and watches is another. A flow's next job gets a turn behind its last waiting one, but
never one that the queue is already past: start-time fair queueing. A tenant with one flow takes
every turn; one with n flows steps n turns at a time in each, so that together they take what one
flow of another tenant does, and each of them an equal part of it. Single jobs begin at once, for
somebody waits for them; a batch begins one step later.

Nothing is sorted when a job is claimed; the claim remains the head of one index. Priorities come
first: turns are fair among jobs of equal priority in one queue.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.repository.states import in_state
from jobs.tables import JobRow

SINGLE = ""
"""The flow of jobs that belong to no batch and no watch."""


def next_turn(session: Session, tenant: str, queue: str, urgency: int, flow: str = SINGLE) -> int:
    """Return the turn of a job that is queued now."""
    return next_turns(session, tenant, queue, urgency, flow, 1)[0]


def next_turns(
    session: Session, tenant: str, queue: str, urgency: int, flow: str, count: int
) -> list[int]:
    """Return the turns of several jobs of one flow that are queued now, in their order."""
    here = (JobRow.queue == queue, JobRow.urgency == urgency)
    waiting, running = in_state("queued"), in_state("running")
    own = (*here, waiting, JobRow.tenant == tenant)
    own_last, first_waiting, last_running = session.execute(
        select(
            select(func.max(JobRow.turn)).where(*own, JobRow.flow == flow).scalar_subquery(),
            select(func.min(JobRow.turn)).where(*here, waiting).scalar_subquery(),
            select(func.max(JobRow.turn)).where(*here, running).scalar_subquery(),
        )
    ).one()
    flows = _waiting_flows(session, tenant, queue, urgency)
    step = len(flows | {flow})
    floor: int = max(first_waiting or 0, last_running or 0)
    if own_last is None:
        first = floor if flow == SINGLE else floor + step - 1
    else:
        first = max(own_last + step, floor)
    return [first + step * place for place in range(count)]


def _waiting_flows(session: Session, tenant: str, queue: str, urgency: int) -> set[str]:
    """Name a tenant's flows that wait, by one step into the index for each of them."""
    own = (
        JobRow.queue == queue,
        JobRow.urgency == urgency,
        in_state("queued"),
        JobRow.tenant == tenant,
    )
    first = select(func.min(JobRow.flow).label("flow")).where(*own).cte("flows", recursive=True)
    following = select(func.min(JobRow.flow)).where(*own, JobRow.flow > first.c.flow)
    flows = first.union_all(select(following.scalar_subquery()).where(first.c.flow.is_not(None)))
    return {name for name in session.scalars(select(flows.c.flow)) if name is not None}
