"""Writes a batch's report beside its results."""

from collections.abc import Callable, Iterator
from typing import get_args

from jobs.batch import Batch, BatchLine, LineCounts, split_prefix
from jobs.batch_report import ReportForm, write_report
from jobs.errors import JobsError, LeaseLostError
from jobs.job import Reason
from jobs.permission import check_writable
from jobs.placement import Place
from worker.bulk.source import Where

CONTENT_TYPES: dict[ReportForm, str] = {"csv": "text/csv", "json": "application/json"}
_LINES_AT_ONCE = 1000


def put_reports(
    batch: Batch, counts: LineCounts, where: Where, on_bytes: Callable[[int], None]
) -> tuple[dict[str, str], Reason | None]:
    """Write the report of a batch whose lines have all ended; may be repeated.

    Returns the addresses by form, and why there are none where they could not be written; a batch
    whose results lie in our own store has its report over the API only.

    Raises:
        StorageUnavailableError: the store is away; try again later.

    """
    folder = _folder_of(batch, where)
    if folder is None:
        return {}, None
    forms: tuple[ReportForm, ...] = get_args(ReportForm)
    try:
        return {form: _put(form, folder, batch, counts, where, on_bytes) for form in forms}, None
    except LeaseLostError:
        raise
    except JobsError as error:
        if error.is_temporary:
            raise
        return {}, Reason("report_not_written", f"The report was not written: {error}")


def _folder_of(batch: Batch, where: Where) -> Place | None:
    """Find the folder that the report goes to, as a key that ends with a slash or is empty."""
    if batch.request.report_url is not None:
        return Place(*split_prefix(batch.request.report_url))
    with where.database.reading() as rows:
        url = rows.batch_figures.first_output(batch)
    if url is None:
        return None
    first = Place.of_url(url)
    return Place(first.bucket, f"{first.folder}/" if first.folder else "")


def _put(
    form: ReportForm,
    folder: Place,
    batch: Batch,
    counts: LineCounts,
    where: Where,
    on_bytes: Callable[[int], None],
) -> str:
    suffix = "" if batch.round == 1 else f".v{batch.round}"
    place = Place(folder.bucket, f"{folder.key}flashvsr-{batch.id}{suffix}.{form}")
    check_writable(batch.limits, place.url)
    path = where.folder / f"{batch.id}.{form}"
    with path.open("w", encoding="utf-8", newline="") as file:
        for piece in write_report(form, batch, counts, _lines(batch, where, on_bytes)):
            file.write(piece)
    try:
        where.opened_buckets.put_new(
            place,
            path,
            content_type=CONTENT_TYPES[form],
            owner={"flashvsr-batch": f"{batch.id}-{batch.round}"},
            on_bytes=on_bytes,
        )
    finally:
        path.unlink()
    return place.url


def _lines(batch: Batch, where: Where, on_bytes: Callable[[int], None]) -> Iterator[BatchLine]:
    after = 0
    while True:
        with where.database.reading() as rows:
            lines = rows.batches.lines(batch, after=after, limit=_LINES_AT_ONCE)
        if not lines:
            return
        yield from lines
        after = lines[-1].number
        on_bytes(0)
