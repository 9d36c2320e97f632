"""`flashvsr upscale` on real files: what goes in comes out, larger."""

import json
import signal
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import clips
from tests.cli.command import FLASHVSR, flashvsr
from tests.conftest import DATA
from tests.media.looks import ffprobe, packets_md5, shown_at, video_stream
from tests.patience import PATIENCE_S, wait_until

SHARED = Path(__file__).parents[3] / "shared" / "clips"
REAL = ["bikes.mp4", "carphone_pristine.mp4", "car-detection.mp4", "vtest.avi"]


def counted_frames(path: Path) -> int:
    return len(shown_at(path))


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def has_sound(path: Path) -> bool:
    return bool(ffprobe(path, "-show_streams", "-select_streams", "a")["streams"])


def colors(path: Path) -> dict[str, str]:
    names = ("color_space", "color_primaries", "color_transfer", "color_range")
    stream = video_stream(path)
    return {name: stream[name] for name in names if stream.get(name, "unknown") != "unknown"}


def assert_same_video(source: Path, output: Path, *, tolerance_s: Fraction = Fraction(0)) -> None:
    before, after = shown_at(source), shown_at(output)
    assert len(after) == len(before)
    worst = max(abs(a - b) for a, b in zip(before, after, strict=True))
    assert worst <= tolerance_s, f"a frame moved by {float(worst)} s"
    assert has_sound(output) == has_sound(source)
    if has_sound(source):
        assert packets_md5(output, "a") == packets_md5(source, "a")
    assert colors(source).items() <= colors(output).items()


def test_the_repositorys_clip(random_weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    arguments = ("--weights", random_weights, "--scale", "2", "--json")
    done = flashvsr("upscale", DATA / "cars.mp4", output, *arguments)
    facts = json.loads(done.stdout)
    assert (facts["width_px"], facts["height_px"], facts["frames"]) == (384, 216, 36)
    stream = video_stream(output)
    assert (stream["width"], stream["height"]) == (384, 216)
    assert_same_video(DATA / "cars.mp4", output)
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("name", REAL)
def test_real_clips_keep_frames_timing_sound_and_tags(
    name: str, random_weights: Path, tmp_path: Path
) -> None:
    if not (SHARED / name).exists():
        pytest.skip("the real clips lie outside the repository")
    source = tmp_path / name
    # The first seconds, as they are: whole clips take minutes on a CPU.
    clips.ffmpeg("-i", SHARED / name, "-t", "5", "-c", "copy", source)
    output = tmp_path / "out.mp4"
    # A small output keeps the model's part short; every frame still goes through it.
    flashvsr("upscale", source, output, "--weights", random_weights, "--size", "128x96")
    assert (video_stream(output)["width"], video_stream(output)["height"]) == (128, 96)
    assert_same_video(source, output)


def test_a_portrait_phone_clip_comes_out_upright(random_weights: Path, tmp_path: Path) -> None:
    source = clips.phone_portrait(tmp_path / "phone.mp4")
    output = tmp_path / "out.mp4"
    flashvsr(
        "upscale", source, output, "--weights", random_weights, "--scale", "2", "--color", "wavelet"
    )
    stream = video_stream(output)
    assert (stream["width"], stream["height"]) == (96, 128)
    assert not any("rotation" in data for data in stream.get("side_data_list", []))
    assert len(set(np.diff([float(t) for t in shown_at(source)]).round(6))) > 1
    assert_same_video(source, output)


def test_a_10_bit_hdr_clip_stays_10_bit_hdr(random_weights: Path, tmp_path: Path) -> None:
    source = clips.hdr10(tmp_path / "hdr.mp4")
    output = tmp_path / "out.mp4"
    flashvsr("upscale", source, output, "--weights", random_weights, "--scale", "2")
    stream = video_stream(output)
    assert stream["codec_name"] == "hevc"
    assert stream["pix_fmt"] == "yuv420p10le"
    assert_same_video(source, output)


@pytest.mark.parametrize(
    ("codec", "suffix"), [("h264", ".mkv"), ("hevc", ".mov"), ("av1", ".webm")]
)
def test_codecs_and_containers(
    codec: str, suffix: str, random_weights: Path, tmp_path: Path
) -> None:
    source = clips.plain(tmp_path / "in.mp4", frames=5)
    output = tmp_path / f"out{suffix}"
    flashvsr(
        "upscale", source, output, "--weights", random_weights, "--scale", "2", "--codec", codec
    )
    assert video_stream(output)["codec_name"] == codec
    # Matroska counts milliseconds.
    assert_same_video(source, output, tolerance_s=Fraction(suffix != ".mov", 1000))


def test_one_frame(random_weights: Path, tmp_path: Path) -> None:
    source = clips.plain(tmp_path / "one.mp4", frames=1)
    output = tmp_path / "out.mp4"
    flashvsr("upscale", source, output, "--weights", random_weights, "--scale", "3")
    assert counted_frames(output) == 1
    assert (video_stream(output)["width"], video_stream(output)["height"]) == (192, 144)


def test_memory_does_not_grow_with_the_number_of_frames(
    random_weights: Path, tmp_path: Path
) -> None:
    peaks = {}
    for frames in (100, 1000):
        source = clips.plain(tmp_path / f"{frames}.mp4", frames=frames)
        output = tmp_path / f"{frames}_x2.mp4"
        arguments = ("--scale", "2", "--preset", "ultrafast", "--json")
        done = flashvsr("upscale", source, output, "--weights", random_weights, *arguments)
        assert counted_frames(output) == frames
        peaks[frames] = json.loads(done.stdout)["peak_memory_bytes"]
    # The frames alone, if they were kept as they come out, would be 33 MB more.
    assert peaks[1000] <= peaks[100] * 1.05, peaks


def test_the_full_pipeline(random_weights: Path, tmp_path: Path) -> None:
    source = clips.plain(tmp_path / "in.mp4", size="32x32", frames=3)
    output = tmp_path / "out.mp4"
    flashvsr("upscale", source, output, "--weights", random_weights, "--pipeline", "full")
    assert counted_frames(output) == 3
    stream = video_stream(output)
    assert (stream["width"], stream["height"]) == (128, 128), "four times as large by default"


def test_the_same_seed_gives_the_same_file(random_weights: Path, tmp_path: Path) -> None:
    source = clips.plain(tmp_path / "in.mp4", frames=3)
    written = []
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        output = tmp_path / f"{name}.mp4"
        flashvsr("upscale", source, output, "--weights", random_weights, "--seed", seed)
        written.append(packets_md5(output, "v"))
    assert written[0] == written[1] != written[2]


def test_one_image_and_a_folder_of_images(random_weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for number in (1, 2, 10):
        pixels = np.full((20, 30, 3), number * 20, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"frame{number}.png")
    flashvsr("upscale", folder, tmp_path / "large", "--weights", random_weights, "--scale", "2")
    written = sorted(path.name for path in (tmp_path / "large").iterdir())
    assert written == ["frame1.png", "frame10.png", "frame2.png"]
    assert size_of(tmp_path / "large" / "frame2.png") == (60, 40)
    single = tmp_path / "single.png"
    flashvsr("upscale", folder / "frame1.png", single, "--weights", random_weights, "--scale", "2")
    assert size_of(single) == (60, 40)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing(
    sent: signal.Signals, random_weights: Path, tmp_path: Path
) -> None:
    source = clips.plain(tmp_path / "in.mp4", frames=2000)
    output = tmp_path / "out.mp4"
    with subprocess.Popen(
        [FLASHVSR, "upscale", source, output, "--weights", random_weights],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # The second file is the partial output.
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        time.sleep(2)
        process.send_signal(sent)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "Interrupted" in stderr
    assert list(tmp_path.iterdir()) == [source]
