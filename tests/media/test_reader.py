from pathlib import Path

import av
import numpy as np
import pytest

from media.errors import HardwareNotAvailableError
from media.frame import Frame
from media.open import open_source
from media.probe import probe
from media.reader import VideoReader
from tests import clips
from tests.media.looks import rgb_frames, rgb_frames_upright, shown_at

SHARED_CLIPS = Path(__file__).parents[2].parent / "shared" / "clips"


def read(path: Path) -> list[Frame]:
    with open_source(path) as source:
        return list(source)


def test_phone_clip_is_upright_with_its_own_times(tmp_path: Path) -> None:
    frames = read(clips.phone_portrait(tmp_path / "phone.mp4"))
    assert [frame.pts for frame in frames] == list(clips.PHONE_PTS)
    for frame in frames:
        assert frame.pixels.shape == (64, 48, 3)
        assert frame.pixels[:28, :20].min() > 240
        assert frame.pixels[36:].max() < 16
        assert frame.pixels[:, 28:].max() < 16


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_every_orientation_is_shown_as_ffmpeg_shows_it(
    tmp_path: Path, rotation: int, is_mirrored: bool
) -> None:
    plain, turned = clips.plain(tmp_path / "p.mp4", frames=1), tmp_path / "t.mp4"
    with av.open(str(plain)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        stream.set_display_rotation(rotation, hflip=is_mirrored)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    ours = read(turned)[0].pixels.astype(int)
    # FFmpeg's own conversion is its fast one; a wrong orientation differs by about 80.
    assert np.abs(ours - rgb_frames_upright(turned, ours.shape)).mean() < 10


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov", "webm", "ts"])
def test_times_are_the_files(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    codec = ("-c:v", "libvpx-vp9") if ending == "webm" else ("-c:v", "libx264")
    clips.ffmpeg(*clips.picture(rate="30000/1001"), *codec, "-pix_fmt", "yuv420p", path)
    times = [frame.pts * frame.time_base for frame in read(path)]
    assert times == shown_at(path)
    assert len(times) == 10


def test_avi_with_b_frames_keeps_an_even_rhythm_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    clips.ffmpeg(*clips.picture(), "-c:v", "mpeg4", "-bf", "2", path)
    assert [frame.pts for frame in read(path)] == list(range(10))


def test_recording_that_starts_between_key_frames(tmp_path: Path) -> None:
    whole, late = tmp_path / "a.ts", tmp_path / "b.ts"
    clips.ffmpeg(*clips.picture(frames=60), "-c:v", "libx264", "-g", "20", whole)
    data = whole.read_bytes()
    start = len(data) // 4 // 188 * 188
    late.write_bytes(data[start:])
    frames = read(late)
    assert len(frames) in (20, 40)
    assert np.array_equal(frames[-1].pixels, read(whole)[-1].pixels)


def test_one_frame(tmp_path: Path) -> None:
    assert len(read(clips.plain(tmp_path / "a.mp4", frames=1))) == 1


def test_two_thousand_frames(tmp_path: Path) -> None:
    path = clips.plain(tmp_path / "a.mp4", size="32x32", frames=2000)
    with open_source(path) as source:
        assert source.frame_count == 2000
        assert sum(1 for _ in source) == 2000


def test_odd_size(tmp_path: Path) -> None:
    path = tmp_path / "a.webm"
    scale = ("-vf", "scale=175:143", "-pix_fmt", "yuv420p")
    clips.ffmpeg(*clips.picture(frames=2), *scale, "-c:v", "libvpx-vp9", path)
    assert read(path)[0].pixels.shape == (143, 175, 3)


def test_interlaced_keeps_count_and_times(tmp_path: Path) -> None:
    path = clips.interlaced(tmp_path / "i.mp4")
    frames = read(path)
    assert [frame.pts * frame.time_base for frame in frames] == shown_at(path)
    assert len(frames) == 10


def test_interlaced_loses_its_combs(tmp_path: Path) -> None:
    # Two moments of a moving edge woven into one frame: even lines old, odd lines new.
    path = tmp_path / "i.mp4"
    clips.ffmpeg(
        *("-f", "lavfi", "-i", "color=black:s=64x64:r=50:d=0.4,drawbox=w=4:h=64:c=white:t=fill"),
        *("-vf", "scroll=h=-0.06,tinterlace=interleave_top,setfield=tff", "-pix_fmt", "yuv420p"),
        *("-r", "25", "-c:v", "libx264", "-qp", "1", "-x264-params", "tff=1"),
        *("-flags", "+ilme+ildct", path),
    )
    with VideoReader(probe(path)) as reader:
        ours = [frame.pixels[..., 1].astype(int) for frame in reader]
    woven = _luma(path)

    def combs(picture: np.ndarray) -> float:
        middle = picture[2:-2]
        return float(np.abs(2 * middle[1:-1] - middle[:-2] - middle[2:]).mean())

    before = np.mean([combs(picture) for picture in woven[2:-2]])
    after = np.mean([combs(picture) for picture in ours[2:-2]])
    assert before > 10
    assert after < before / 5


def _luma(path: Path) -> np.ndarray:
    return rgb_frames(path)[..., 1].astype(int)


def test_a_reader_reads_once(tmp_path: Path) -> None:
    with open_source(clips.plain(tmp_path / "a.mp4")) as source:
        list(source)
        with pytest.raises(RuntimeError, match="once"):
            iter(source)


def test_hardware_is_optional_unless_named(tmp_path: Path) -> None:
    facts = probe(clips.plain(tmp_path / "a.mp4"))
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    with VideoReader(facts, "auto") as reader:
        assert sum(1 for _ in reader) == 10
    with pytest.raises(HardwareNotAvailableError, match="auto"):
        VideoReader(facts, "cuda")


def test_read_only_folder_stays_untouched(tmp_path: Path) -> None:
    path = clips.plain(tmp_path / "a.mp4")
    tmp_path.chmod(0o555)
    try:
        assert len(read(path)) == 10
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize(("name", "count"), [("carphone_pristine.mp4", 120), ("bikes.mp4", 250)])
def test_real_footage(name: str, count: int) -> None:
    if not SHARED_CLIPS.is_dir():
        pytest.skip("no shared/clips folder beside the repository")
    frames = read(SHARED_CLIPS / name)
    assert len(frames) == count
    assert [frame.pts * frame.time_base for frame in frames] == shown_at(SHARED_CLIPS / name)
