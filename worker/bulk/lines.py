"""Objects and lines of manifests as lines of a batch: ready to become jobs, or refused, and why.

Everything that can be known without looking at the object is decided here, once.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobs.batch import Batch, BatchLine
from jobs.choices import read_choices
from jobs.errors import JobsError, RequestInvalidError, WatchLoopError
from jobs.job import Reason
from jobs.permission import check_readable, check_writable
from jobs.placement import Place, scale_text
from media.encoding import Encoding
from media.errors import MediaError, NotAVideoError, TooLargeError
from worker.bulk.manifest import Entry

if TYPE_CHECKING:
    from jobs.storage.buckets import BucketObject

_MESSAGE_MAX = 2000


class LineMaker:
    """Makes the lines of one batch."""

    def __init__(self, batch: Batch, watched: Collection[Place], max_input_bytes: int) -> None:
        """Remember what holds for all lines.

        Args:
            batch: whose they are.
            watched: prefixes that are watched, under which no result may land.
            max_input_bytes: of one object.

        """
        self._batch = batch
        self._watched = watched
        self._max_input_bytes = max_input_bytes

    def of_entry(self, number: int, entry: Entry) -> BatchLine:
        """Make a line of what a manifest names."""
        line = BatchLine(number, input_url=f"s3://{entry.bucket}/{entry.key}"[:1200])
        return self._checked(line, entry)

    def of_object(self, number: int, found: "BucketObject") -> BatchLine:
        """Make a line of what a listing shows."""
        line = BatchLine(number, input_url=found.place.url, size_bytes=found.size_bytes)
        try:
            self._check_size(found)
        except MediaError as error:
            return _refused(line, error)
        return self._checked(line, Entry(found.place.bucket, found.place.key))

    def refused(self, number: int, error: Exception) -> BatchLine:
        """Make a line of what cannot be read."""
        return _refused(BatchLine(number), error)

    def _check_size(self, found: "BucketObject") -> None:
        if found.size_bytes == 0:
            raise NotAVideoError(f"{found.place.url} is empty; there is no video in it.")
        if found.size_bytes > self._max_input_bytes:
            raise TooLargeError(
                f"{found.place.url} has {found.size_bytes} bytes, beyond the limit of"
                f" {self._max_input_bytes}; cut the video into parts."
            )

    def _checked(self, line: BatchLine, entry: Entry) -> BatchLine:
        try:
            source = Place.of_url(f"s3://{entry.bucket}/{entry.key}")
            check_readable(self._batch.limits, source.url)
            choices = self._choices_of(entry)
            full = replace(
                line,
                input_version=entry.version,
                input_etag=entry.etag,
                choices=choices or None,
                output_url=self._output_of(line.number, source, entry, choices),
            )
            request = self._batch.request_of(full)
            Encoding(codec=request.codec, bit_depth=request.bit_depth or 8, crf=request.crf)  # type: ignore[arg-type]
        except (JobsError, MediaError) as error:
            return _refused(line, error)
        return full

    def _choices_of(self, entry: Entry) -> dict[str, Any]:
        choices = read_choices(entry.choices or {})
        if entry.on_collision is not None:
            choices["on_collision"] = entry.on_collision
        own_size = {"scale", "width_px", "height_px"}
        if own_size & choices.keys():
            # A line's own size takes the place of the batch's, whichever way either is given.
            absent = own_size & self._batch.request.choices.keys() - choices.keys()
            choices |= dict.fromkeys(absent)
        return choices

    def _output_of(
        self, number: int, source: Place, entry: Entry, choices: dict[str, Any]
    ) -> str | None:
        output = self._batch.request.output
        if entry.output_url is not None:
            place = Place.of_url(entry.output_url)
        elif output is not None:
            chosen = {**self._batch.request.choices, **choices}
            place = output.place(
                source,
                scale=scale_text(
                    chosen.get("scale"), chosen.get("width_px"), chosen.get("height_px")
                ),
                container=chosen.get("container") or "mp4",
                base=self._batch.request.base,
                batch=self._batch.id,
                line=number,
            )
        else:
            return None
        check_writable(self._batch.limits, place.url)
        for watched in self._watched:
            if place.bucket == watched.bucket and place.key.startswith(watched.key):
                raise WatchLoopError(
                    f"The output {place.url} lies under the watched prefix {watched.url}, where it"
                    " would be taken for a new input; choose another one."
                )
        return place.url


def _refused(line: BatchLine, error: Exception) -> BatchLine:
    code = getattr(error, "code", RequestInvalidError.code)
    url = line.input_url
    return replace(
        line,
        state="refused",
        input_url=None if url is None else _shown(url),
        reason=Reason(code, _shown(str(error)[:_MESSAGE_MAX])),
    )


def _shown(text: str) -> str:
    """Replace what no database takes and nobody could read."""
    return re.sub(r"[\x00-\x1f\x7f]", "?", text.encode(errors="replace").decode())
