"""The before/after picture: what is shown is what was computed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.__main__ import app
from evaluation.clips import Frames
from evaluation.errors import EvaluationDataError
from evaluation.methods import BASELINES
from evaluation.picture import GAP_PX, LABEL_PX, Crop, Panel, compose, make_panels
from tests.evaluation.conftest import CARS

ZOOM = 3
CROP = Crop(left=60, top=30, width=48, height=36)


def details(sheet: Image.Image, count: int) -> list[np.ndarray]:
    """Cut the enlarged details out of a sheet, and make them small again."""
    width, height = CROP.width * ZOOM, CROP.height * ZOOM
    lefts = [GAP_PX + index * (width + GAP_PX) for index in range(count)]
    boxes = [(left, LABEL_PX, left + width, LABEL_PX + height) for left in lefts]
    return [np.asarray(sheet.crop(box))[::ZOOM, ::ZOOM] for box in boxes]


def test_panels_hold_what_each_method_made(cars: Frames) -> None:
    panels = make_panels(cars[:3], 1, "cars", "bicubic", BASELINES)
    assert [panel.label.split(",")[0] for panel in panels] == ["bicubic", "lanczos", "ground truth"]
    bicubic, lanczos, truth = (panel.pixels for panel in panels)
    assert np.array_equal(truth, cars[1])
    errors = [np.abs(p.astype(int) - truth).mean() for p in (lanczos, bicubic)]
    assert 0 < errors[0] < errors[1]
    sheet = compose(panels, CROP, ZOOM)
    for shown, panel in zip(details(sheet, 3), panels, strict=True):
        assert np.array_equal(shown, CROP.of(panel.pixels))


def test_every_degradation_and_odd_sizes(cars: Frames) -> None:
    clean, spoilt = (
        make_panels(cars[:2, :95, :93], 0, "cars", name, BASELINES[:1])
        for name in ("bicubic", "training")
    )
    assert clean[0].pixels.shape == clean[1].pixels.shape == (92, 92, 3)
    assert not np.array_equal(clean[0].pixels, spoilt[0].pixels)


def test_the_command_writes_the_same_picture_again(random_weights: Path, tmp_path: Path) -> None:
    chosen = ["--weights", str(random_weights), "--device", "cpu"]
    written = []
    for name in ("a.webp", "b.webp"):
        output = str(tmp_path / name)
        app(["picture", str(CARS), "2", "48x36+60+30", output, *chosen], standalone_mode=False)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert len(written[0]) < 300_000
    with Image.open(tmp_path / "a.webp") as sheet:
        assert sheet.width == 3 * CROP.width * ZOOM + 4 * GAP_PX
        bicubic, model, truth = details(sheet.convert("RGB"), 3)
    # A grey car park: its edges differ, and there are few.
    assert np.abs(bicubic.astype(int) - truth).mean() > 1
    assert np.abs(model.astype(int) - bicubic).mean() > 1


@pytest.mark.parametrize("text", ["48x36", "48x36+160+0", "0x36+0+0"])
def test_crops_that_cannot_be(cars: Frames, text: str) -> None:
    with pytest.raises(EvaluationDataError, match="crop"):
        compose([Panel("x", cars[0])], Crop.parse(text), 1)


def test_frames_that_are_not_there(cars: Frames) -> None:
    with pytest.raises(EvaluationDataError, match="choose from 0 to 1"):
        make_panels(cars[:2], 2, "cars", "bicubic", BASELINES)


def test_the_readme_shows_one() -> None:
    path = CARS.parents[2] / "docs" / "before-after.webp"
    assert f"](docs/{path.name})" in (CARS.parents[2] / "README.md").read_text(encoding="utf-8")
    assert path.stat().st_size < 300_000
    with Image.open(path) as sheet:
        assert sheet.width > 2 * sheet.height
