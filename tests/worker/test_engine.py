"""The real engine with the smallest random model."""

from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.job import Job
from jobs.queue import open_bell
from media.probe import probe
from tests.clips import plain
from tests.patience import wait_until
from tests.worker.world import World
from worker.model import ModelEngine
from worker.run_job import run_job
from worker.settings import WorkerSettings
from worker.tools import Tools


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return plain(tmp_path / "clip.mp4", "32x24", 14)


def make_tools(world: World, engine: Any, weights: Path) -> Tools:
    settings = WorkerSettings(
        weights=str(weights),
        device="cpu",
        queues=world.queue,
        scratch=world.folder / "scratch",
        progress_s=0.1,
        patience_s=5,
        retry_tile_px=128,
    )
    made = engine(settings)
    tools = Tools(settings, world.database, world.storage, made, open_bell(None))
    tools.scratch.mkdir(parents=True)
    return tools


def run(world: World, tools: Tools) -> None:
    with world.database.transaction() as rows:
        claim = rows.claims.claim("w1:0", [world.queue])
    assert claim is not None
    run_job(claim, tools)


class SmallMemory(ModelEngine):
    """Has room for tiles only, or for nothing."""

    fits_tiles = True

    def load(self, pipeline: Any) -> None:
        super().load(pipeline)
        assert self._model is not None
        stream = self._model.stream

        def allocate(geometry: Any, settings: Any) -> Any:
            if settings.tile_px is None or not self.fits_tiles:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return stream(geometry, settings)

        self._model.stream = allocate  # type: ignore[method-assign, assignment]


class NoMemory(SmallMemory):
    fits_tiles = False


def test_from_upload_to_result(farm: World, random_weights: Path, clip: Path) -> None:
    farm.start_worker(
        engine="flashvsr", weights=random_weights, device="cpu", lease_s=30, pipelines="tiny"
    )
    job = farm.wait_for(farm.submit(clip))
    assert job.result is not None
    assert job.result.poster_key is not None
    assert job.result.preview_key is not None
    assert job.input_facts is not None
    assert (job.input_facts["width_px"], job.input_facts["height_px"]) == (32, 24)
    assert job.result.facts["frames"] == 14
    (attempt,) = farm.attempts(job.id)
    assert set(attempt.stage_seconds) == {
        "loading", "downloading", "probing", "enlarging", "uploading"
    }  # fmt: skip

    result = farm.folder / "result.mp4"
    farm.storage.get(job.result.key, result, sha256=job.result.sha256)
    facts = probe(result)
    assert (facts.width_px, facts.height_px, facts.frame_count) == (128, 96, 14)
    farm.storage.get(job.result.preview_key, result)
    facts = probe(result)
    assert (facts.codec, facts.width_px, facts.height_px) == ("h264", 256, 96)
    assert facts.frame_count == 14
    farm.storage.get(job.result.poster_key, farm.folder / "poster.jpg")
    assert (farm.folder / "poster.jpg").read_bytes()[:3] == b"\xff\xd8\xff"

    wait_until(lambda: farm.workers()[0].facts["pipeline"] == "tiny")
    poison = farm.wait_for(farm.submit(b"This is no video."), "failed")
    assert poison.reason is not None
    assert poison.reason.code in ("not_a_video", "format_not_allowed")
    assert farm.outcomes(poison.id) == ["failed"]
    farm.assert_clean()


@pytest.mark.parametrize("chosen", [{}, {"weights": "nano"}])
def test_without_other_weights_the_small_model_works(
    embedded: World, clip: Path, chosen: dict[str, str]
) -> None:
    embedded.start_worker(engine="flashvsr", device="cpu", lease_s=30, pipelines="tiny", **chosen)
    assert embedded.wait_for(embedded.submit(clip)).result is not None


def test_out_of_memory_is_tried_again_in_tiles(
    embedded: World, random_weights: Path, clip: Path
) -> None:
    job_id = embedded.submit(clip)
    run(embedded, make_tools(embedded, SmallMemory, random_weights))
    job = embedded.wait_for(job_id)
    assert job.result is not None
    assert job.result.facts["tile_px"] == 128
    assert embedded.outcomes(job_id) == ["succeeded"]
    embedded.assert_clean()


def test_out_of_memory_in_tiles_too_is_reported(
    embedded: World, random_weights: Path, clip: Path
) -> None:
    job_id = embedded.submit(clip)
    run(embedded, make_tools(embedded, NoMemory, random_weights))
    job = embedded.wait_for(job_id, "failed")
    assert job.reason is not None
    assert job.reason.code == "out_of_memory"
    assert embedded.outcomes(job_id) == ["failed"]
    embedded.assert_clean()


def test_pipelines_are_switched(embedded: World, random_weights: Path, clip: Path) -> None:
    tools = make_tools(embedded, ModelEngine, random_weights)
    tools.engine.load("tiny")
    first = tools.engine._model  # type: ignore[attr-defined]
    tools.engine.load("tiny")
    assert tools.engine._model is first, "kept"  # type: ignore[attr-defined]
    tools.engine.load("full")
    assert tools.engine.facts["pipeline"] == "full"


@pytest.mark.parametrize(
    ("choices", "code"),
    [({"codec": "vp9"}, "encoding_not_supported"), ({"color": "sepia"}, "request_invalid")],
)
def test_bad_choices_fail_once(
    embedded: World, random_weights: Path, clip: Path, choices: dict[str, Any], code: str
) -> None:
    job_id = embedded.submit(clip, **choices)
    run(embedded, make_tools(embedded, ModelEngine, random_weights))
    job = embedded.wait_for(job_id, "failed")
    assert job.reason is not None
    assert job.reason.code == code
    assert embedded.outcomes(job_id) == ["failed"]


def test_limits(embedded: World, random_weights: Path, clip: Path) -> None:
    tools = make_tools(embedded, ModelEngine, random_weights)
    tools.settings = tools.settings.model_copy(update={"max_output_pixels": 128 * 96 - 1})
    tools.engine = ModelEngine(tools.settings)
    job_id = embedded.submit(clip)
    run(embedded, tools)
    job: Job = embedded.wait_for(job_id, "failed")
    assert job.reason is not None
    assert job.reason.code == "too_large"
