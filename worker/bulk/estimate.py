"""What a batch will take: frames, GPU time and size of the outputs, as far as can be told before.

Sizes of inputs come from the listing, or from asking for a sample of them. Frames come from a few
objects that are fetched whole and probed, as every input is; their frames and pixels per byte stand
for the rest. GPU time and output size come from what this service did lately, or from figures in
docs/performance.md. The estimate says which of these it rests on.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.batch import Batch, BatchLine
from jobs.errors import JobsError, LeaseLostError
from jobs.placement import Place
from jobs.request import JobRequest
from media.errors import MediaError
from media.probe import ProbeLimits, probe
from worker.bulk.source import Where

SIZED_MAX = 200
PROBED_MAX = 5
PROBED_MAX_BYTES = 256 << 20
_PROBE_S = 20.0

# Measured at 768x1408 on one H200 with the authors' code: frames/s times pixels of a frame.
_PIXELS_PER_S = {"tiny": 30.2 * 768 * 1408, "full": 12.2 * 768 * 1408}
# H.264 at the default quality: a rule of thumb, not a measurement.
_BYTES_PER_PIXEL = 0.05


@dataclass(frozen=True)
class _Probed:
    size_bytes: int
    frames: int
    pixels: int
    """Width times height of one frame, of the input."""


def estimate(batch: Batch, where: Where, on_bytes: Callable[[int], None]) -> dict[str, Any]:
    """Estimate what the waiting lines of a batch will take.

    Returns plain JSON: lines, input_bytes, frames, gpu_seconds, output_bytes, each None where it
    cannot be told, and `basis`, which says what they rest on.
    """
    with where.database.reading() as rows:
        counts = rows.batches.counts(batch)
        known_bytes, sized = rows.batch_figures.input_bytes(batch)
        sample = rows.batch_figures.sample(batch, counts.waiting, SIZED_MAX)
        pace = rows.batch_figures.recent_pace(batch.request_of(sample[0])) if sample else None
    if not sample:
        return {"lines": 0, "input_bytes": 0, "frames": 0, "gpu_seconds": 0, "output_bytes": 0}
    lines = counts.waiting
    total_bytes = known_bytes
    missing = 0
    if sized < lines:
        unknown = [each for each in sample if each.size_bytes is None]
        sizes, missing = _ask_sizes(unknown, where, on_bytes)
        if sizes:
            total_bytes += round(sum(sizes) / len(sizes) * (lines - sized))
    probed = _probe_some(sample, where, on_bytes)
    found: dict[str, Any] = {"lines": lines, "input_bytes": total_bytes}
    basis: dict[str, Any] = {
        "sizes_known": sized,
        "sizes_asked": 0 if sized >= lines else len(sample),
        "not_found": missing,
        "probed": len(probed),
    }
    found |= {"frames": None, "gpu_seconds": None, "output_bytes": None}
    if probed and total_bytes:
        sampled_bytes = sum(each.size_bytes for each in probed)
        share = total_bytes / sampled_bytes
        frames = sum(each.frames for each in probed) * share
        request = batch.request_of(sample[0])
        pixels = sum(each.frames * _output_pixels(each, request) for each in probed) * share
        speed = pace.pixels_per_s if pace else _PIXELS_PER_S[request.pipeline]
        density = pace.bytes_per_pixel if pace else _BYTES_PER_PIXEL
        found |= {
            "frames": round(frames),
            "gpu_seconds": math.ceil(pixels / speed),
            "output_bytes": round(pixels * density),
        }
        basis |= {
            "pace": "recent jobs" if pace else "docs/performance.md",
            "pace_jobs": pace.jobs if pace else 0,
        }
    return found | {"basis": basis}


def _ask_sizes(
    lines: Sequence[BatchLine], where: Where, on_bytes: Callable[[int], None]
) -> tuple[list[int], int]:
    """Ask for sizes that no listing gave; also count objects that are not there."""
    sizes, missing = [], 0
    for line in lines:
        on_bytes(0)
        found = where.opened_buckets.head(Place.of_url(line.input_url or ""), line.input_version)
        if found is None:
            missing += 1
        else:
            sizes.append(found.size_bytes)
    return sizes, missing


def _probe_some(
    sample: Sequence[BatchLine], where: Where, on_bytes: Callable[[int], None]
) -> list[_Probed]:
    probed: list[_Probed] = []
    path = where.folder / "probed"
    for line in _spread(sample, PROBED_MAX * 3):
        if len(probed) == PROBED_MAX:
            break
        place = Place.of_url(line.input_url or "")
        found = where.opened_buckets.head(place, line.input_version)
        if found is None or not 0 < found.size_bytes <= PROBED_MAX_BYTES:
            continue
        try:
            where.opened_buckets.get(found, path, version_id=line.input_version, on_bytes=on_bytes)
            facts = probe(path, ProbeLimits(wall_time_s=_PROBE_S))
        except LeaseLostError:
            raise
        except (JobsError, MediaError):
            # What cannot be read now shows when its job runs; an estimate goes on without it.
            continue
        finally:
            path.unlink(missing_ok=True)
            on_bytes(0)
        if facts.frame_count:
            size = facts.width_px * facts.height_px
            probed.append(_Probed(found.size_bytes, facts.frame_count, size))
    return probed


def _spread(sample: Sequence[BatchLine], count: int) -> list[BatchLine]:
    step = max(1, len(sample) // count)
    return list(sample[::step])[:count]


def _output_pixels(probed: _Probed, request: JobRequest) -> float:
    if request.width_px is not None and request.height_px is not None:
        return request.width_px * request.height_px
    return probed.pixels * (request.scale or 4) ** 2
