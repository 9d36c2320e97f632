"""The engine proper: one model per process, loaded once and kept between jobs."""

import gc
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

import upscaling
from flashvsr_core import FlashVSR, Geometry, Size, StreamSettings, plan_geometry
from flashvsr_core.color import COLOR_CHOICES
from flashvsr_core.geometry import SCALES
from flashvsr_core.weights.names import find_weights
from jobs.errors import RequestInvalidError
from jobs.job import Job
from jobs.request import JobRequest, Pipeline
from media.encoding import Codec, Encoding
from media.errors import TooLargeError
from media.facts import VideoFacts
from media.probe import ProbeLimits, probe
from media.reader import VideoReader
from media.writer import VideoWriter
from worker.engine import Made, Report
from worker.preview import Showcase
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)


class ModelEngine:
    """Enlarges videos with FlashVSR. See `Engine` for what the methods do."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._pipeline: Pipeline | None = None
        self._model: FlashVSR | None = None
        self._facts: VideoFacts | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """See `Engine.facts`."""
        facts: dict[str, Any] = {"engine": "flashvsr", "pipeline": self._pipeline}
        if self._model is None:
            return facts
        network = self._model.network
        facts |= {"device": str(network.device)}
        if network.device.type == "cuda":
            free, total = torch.cuda.mem_get_info(network.device)
            facts |= {
                "gpu": torch.cuda.get_device_name(network.device),
                "gpu_memory_bytes": total,
                "gpu_memory_free_bytes": free,
                "gpu_memory_peak_bytes": torch.cuda.max_memory_allocated(network.device),
            }
        return facts

    def load(self, pipeline: Pipeline) -> None:
        """See `Engine.load`; the pipeline that was loaded before makes room."""
        if self._pipeline == pipeline:
            return
        before, started = self._pipeline, time.monotonic()
        self._pipeline = self._model = None
        self.free_memory()
        self._model = FlashVSR.load(
            find_weights(self._settings.weights),
            pipeline=pipeline,
            device=self._settings.device,
            attention=self._settings.attention,
            version=self._settings.model_version,
        )
        self._pipeline = pipeline
        seconds = round(time.monotonic() - started, 3)
        log.info(
            "loaded the %s pipeline of %s%s in %s s",
            pipeline, self._settings.weights, f" in place of {before}" if before else "", seconds,
            extra={"pipeline": pipeline, "seconds": seconds},
        )  # fmt: skip

    def probe(self, source: Path, job: Job) -> Mapping[str, Any]:
        """See `Engine.probe`."""
        self._facts = None
        facts = probe(source, self._limits(job))
        _check_output(facts, job, self._settings)
        self._facts = facts
        return _plain(facts)

    def enlarge(
        self, source: Path, folder: Path, job: Job, *, tile_px: int | None, report: Report
    ) -> Made:
        """See `Engine.enlarge`; `load` and `probe` come before it."""
        assert self._model is not None
        assert self._facts is not None
        assert self._facts.path == source
        request, facts = job.request, self._facts
        depth = request.bit_depth or facts.bit_depth
        geometry = geometry_of(request, facts)
        settings = stream_settings(request, 8 if depth == 8 else 10, tile_px)
        result = folder / f"result.{request.container}"
        showcase = Showcase(folder, facts, geometry.output, self._limits(job).duration_s)
        with VideoReader(facts) as reader:
            writer = VideoWriter(
                result,
                facts,
                geometry.output.width_px,
                geometry.output.height_px,
                Encoding(
                    codec=cast(Codec, request.codec),
                    bit_depth=8 if depth == 8 else 10,
                    crf=request.crf,
                ),
            )
            try:
                done = upscaling.upscale(
                    self._model,
                    showcase.source(reader),
                    showcase.sink(writer),
                    geometry,
                    settings,
                    lambda p: report(p.frames_done, p.frames_total, p.elapsed_s),
                )
            except BaseException:
                writer.abort()
                showcase.abort()
                raise
        poster, preview = showcase.finish()
        described = _plain(probe(result))
        more = {"frames": done.frames_done, "tile_px": tile_px, "notes": list(writer.notes)}
        return Made(result, described | more, poster, preview)

    def free_memory(self) -> None:
        """See `Engine.free_memory`."""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _limits(self, job: Job) -> ProbeLimits:
        longest_s = self._settings.max_duration_s
        if job.limits.duration_s is not None:
            longest_s = min(longest_s, job.limits.duration_s)
        return ProbeLimits(
            size_bytes=self._settings.max_input_bytes,
            frame_pixels=self._settings.max_input_pixels,
            duration_s=longest_s,
        )


def geometry_of(request: JobRequest, facts: VideoFacts) -> Geometry:
    """Plan the sizes that a request asks for; without a scale or a size it is four times as large.

    Raises:
        GeometryError: they cannot be made.

    """
    frame = Size(facts.height_px, facts.width_px)
    if request.width_px is not None and request.height_px is not None:
        return plan_geometry(frame, output=Size(request.height_px, request.width_px))
    scale = 4.0 if request.scale is None else request.scale
    if scale in SCALES:
        return plan_geometry(frame, scale=int(scale))
    even = [2 * round(side_px * scale / 2) for side_px in (frame.height_px, frame.width_px)]
    return plan_geometry(frame, output=Size(*even))


def stream_settings(request: JobRequest, bit_depth: int, tile_px: int | None) -> StreamSettings:
    """Take a request's choices, and the model's defaults where there is none.

    Raises:
        RequestInvalidError: there is no such colour fix.

    """
    if request.color not in COLOR_CHOICES:
        raise RequestInvalidError(
            f"There is no colour fix {request.color!r}; take one of {', '.join(COLOR_CHOICES)}."
        )
    usual = StreamSettings()
    return StreamSettings(
        seed=request.seed,
        color=request.color,
        bit_depth=bit_depth,
        local_range=request.local_range or usual.local_range,
        sparse_ratio=request.sparse_ratio or usual.sparse_ratio,
        tile_px=tile_px,
    )


def _check_output(facts: VideoFacts, job: Job, settings: WorkerSettings) -> None:
    output = geometry_of(job.request, facts).output
    most = settings.max_output_pixels
    if job.limits.pixels is not None:
        most = min(most, job.limits.pixels)
    if output.width_px * output.height_px > most:
        raise TooLargeError(
            f"The output would be {output}, which is beyond the limit of {most} pixels a frame;"
            " choose a smaller scale or size."
        )


def _plain(facts: VideoFacts) -> dict[str, Any]:
    plain = facts.as_json()
    # A folder of this machine is nobody's business.
    del plain["path"]
    return plain
