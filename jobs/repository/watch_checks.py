"""What is refused before anything is watched: what a key may not do, and loops."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.api_key import Actor
from jobs.batch import BatchRequest, split_prefix
from jobs.bulk_tables import BatchRow
from jobs.errors import RequestInvalidError, WatchLoopError
from jobs.loops import can_land_under
from jobs.permission import check_readable, check_writable
from jobs.placement import Output, Place, scale_text
from jobs.repository.watch_rows import watch_of
from jobs.request import JobRequest
from jobs.watch import Watch
from jobs.watch_tables import WatchRow

_WRITING = ("reading", "running")
"""States of batches whose results are still to come."""


def check_watch(
    session: Session,
    actor: Actor,
    bucket: str,
    prefix: str,
    choices: Mapping[str, Any],
    output: Output,
) -> None:
    """Refuse a watch that could not work, or that could feed on results.

    Raises:
        RequestInvalidError: a choice or the output cannot be used, or the key does not allow it.
        WatchLoopError: results could land under a prefix that is watched.

    """
    if "{batch}" in output.template or "{line}" in output.template:
        raise RequestInvalidError(
            "The output template of a watch can name neither {batch} nor {line}; take {watch}."
        )
    check_readable(actor.limits, f"s3://{bucket}/{prefix}")
    sample = Place.of_url(f"s3://{bucket}/{prefix}sample.mov")
    asked = JobRequest(input_url=sample.url, **choices)
    scale = scale_text(asked.scale, asked.width_px, asked.height_px)
    place = output.place(sample, scale=scale, container=asked.container, base=prefix, watch="watch")
    check_writable(actor.limits, place.url)
    known = {"scale": scale, "container": asked.container}
    if can_land_under(bucket, prefix, output, bucket, prefix, known):
        raise WatchLoopError(
            f"Results such as {place.url} could lie under s3://{bucket}/{prefix}, which is to be"
            " watched, and would be enlarged again; let the output template begin with another"
            " folder or bucket."
        )
    check_output(session, output, bucket, prefix, known)
    # The other way round: what earlier watches write may land under the new prefix.
    for row in session.scalars(select(WatchRow)):
        earlier = watch_of(row)
        if can_land_under(bucket, prefix, earlier.output, earlier.bucket, earlier.prefix):
            raise WatchLoopError(
                f"Results of {_name(earlier, actor)} could lie under s3://{bucket}/{prefix} and"
                " would be enlarged again; watch a prefix that nothing writes to."
            )
    for stored in session.scalars(select(BatchRow.request).where(BatchRow.state.in_(_WRITING))):
        batch = BatchRequest.from_json(stored)
        inputs = ("", "") if batch.prefix is None else split_prefix(batch.prefix)
        if batch.output is not None and can_land_under(bucket, prefix, batch.output, *inputs):
            raise WatchLoopError(
                f"Results of a batch that runs could lie under s3://{bucket}/{prefix} and would be"
                " enlarged again; wait for its end, or watch another prefix."
            )


def check_output(
    session: Session,
    output: Output,
    source_bucket: str,
    source_prefix: str,
    known: Mapping[str, str] | None = None,
) -> None:
    """Refuse outputs that could land under any watched prefix; see `Watches.check_output`."""
    for bucket, prefix in session.execute(select(WatchRow.bucket, WatchRow.prefix)):
        if can_land_under(bucket, prefix, output, source_bucket, source_prefix, known):
            raise WatchLoopError(
                "Results could lie under a prefix that is watched and would be enlarged again;"
                " choose another output template, or remove the watch."
            )


def _name(watch: Watch, actor: Actor) -> str:
    """Name a watch to those who may know of it."""
    return f"the watch {watch.id}" if watch.tenant == actor.tenant else "another watch"
