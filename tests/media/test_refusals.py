"""Every bad input is refused with its own error, before anything is decoded or opened."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from media import errors
from media.open import open_source
from media.probe import ProbeLimits, probe
from tests import clips


def read_all(path: Path) -> int:
    with open_source(path) as source:
        return sum(1 for _ in source)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(errors.InputMissingError, match="check the path"):
        probe(tmp_path / "none.mp4")


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n" * 50, os.urandom(4096)])
def test_not_a_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(errors.NotAVideoError, match=r"a\.mp4"):
        probe(path)


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(errors.NotAVideoError):
        probe(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile other.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.mp4\n#EXT-X-ENDLIST\n",
    ],
)
def test_playlist_opens_no_other_file(tmp_path: Path, playlist: str) -> None:
    # The clip it names is good: without the whitelist, probing would succeed.
    clips.plain(tmp_path / "other.mp4")
    path = tmp_path / "a.mp4"
    path.write_text(playlist)
    with pytest.raises(errors.FormatNotAllowedError):
        probe(path)


def test_gif_is_refused(tmp_path: Path) -> None:
    clips.ffmpeg(*clips.picture(frames=2), tmp_path / "a.gif")
    with pytest.raises(errors.FormatNotAllowedError):
        probe(tmp_path / "a.gif")


def test_sound_only(tmp_path: Path) -> None:
    with pytest.raises(errors.NoVideoStreamError):
        probe(clips.audio_only(tmp_path / "a.mp4"))


def test_video_stream_without_frames(tmp_path: Path) -> None:
    path = clips.with_sound(tmp_path / "a.mp4")
    empty = tmp_path / "empty.mkv"
    clips.ffmpeg("-i", path, "-c", "copy", "-bsf:v", "noise=drop=1", empty)
    with pytest.raises(errors.MediaError) as caught:
        read_all(empty)
    assert isinstance(caught.value, errors.NoVideoStreamError | errors.NotAVideoError)


@pytest.mark.parametrize(("kind", "ending"), [("vp9", "webm"), ("prores", "mov"), ("png", "mov")])
def test_alpha(tmp_path: Path, kind: str, ending: str) -> None:
    path = clips.with_alpha(tmp_path / f"a.{ending}", kind)
    assert probe(path).has_alpha
    with pytest.raises(errors.AlphaNotSupportedError):
        open_source(path)


@pytest.mark.parametrize(
    ("side_px", "expected"),
    # Beyond about 16,000 x 16,000 FFmpeg itself gives up and reports no size at all.
    [(15000, errors.TooLargeError), (20000, errors.NotAVideoError)],
)
def test_huge_picture_is_refused_from_its_header(
    tmp_path: Path, side_px: int, expected: type[errors.InputError]
) -> None:
    path = tmp_path / "a.avi"
    clips.ffmpeg(*clips.picture("48x48", 1), "-pix_fmt", "yuv420p", "-c:v", "rawvideo", path)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<II", 48, 48), struct.pack("<II", side_px, side_px)))
    with pytest.raises(expected):
        probe(path)


def test_limits(tmp_path: Path) -> None:
    path = clips.plain(tmp_path / "a.mp4", frames=50)
    for limits in (
        ProbeLimits(size_bytes=100),
        ProbeLimits(frame_pixels=1000),
        ProbeLimits(duration_s=1.0),
        ProbeLimits(wall_time_s=0.001),
        ProbeLimits(memory_bytes=64 * 2**20),
    ):
        with pytest.raises(errors.TooLargeError):
            probe(path, limits)


def test_the_probe_cannot_write_a_file(tmp_path: Path) -> None:
    path, target = clips.plain(tmp_path / "a.mp4"), tmp_path / "leak"
    script = "import media.probe_child, pathlib; media.probe_child.main();"
    script += f"pathlib.Path({str(target)!r}).write_text('x')"
    command = [sys.executable, "-c", script, f"file:{path}", "mov", "30", str(2**31)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith('{"report"')
    assert "File too large" in done.stderr
    assert target.stat().st_size == 0


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_cut_file(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / f"whole.{ending}"
    codec = "mpeg4" if ending == "avi" else "libx264"
    options = ("-movflags", "+faststart") if ending == "mp4" else ()
    clips.ffmpeg(*clips.picture(frames=100), "-c:v", codec, "-pix_fmt", "yuv420p", *options, whole)
    assert read_all(whole) == 100
    cut = tmp_path / f"cut.{ending}"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(errors.TruncatedError, match="copy it again"):
        read_all(cut)


def test_cut_before_the_index(tmp_path: Path) -> None:
    path = clips.plain(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(errors.NotAVideoError):
        probe(path)


def test_damage_in_the_middle(tmp_path: Path) -> None:
    path = clips.plain(tmp_path / "a.mp4", frames=60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(byte ^ 0x5A for byte in data[middle : middle + 400])
    path.write_bytes(data)
    with pytest.raises(errors.DecodeError, match="damaged after frame"):
        read_all(path)


def test_size_change_in_the_middle(tmp_path: Path) -> None:
    for size in ("64x48", "96x64"):
        clips.ffmpeg(
            *clips.picture(size), *clips.X264_FAST, "-pix_fmt", "yuv420p", tmp_path / f"{size}.ts"
        )
    both = tmp_path / "both.ts"
    both.write_bytes((tmp_path / "64x48.ts").read_bytes() + (tmp_path / "96x64.ts").read_bytes())
    with pytest.raises(errors.SizeChangedError, match="96x64"):
        read_all(both)


def test_unsupported_matrix(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    clips.ffmpeg(*clips.picture(), *clips.X264_FAST, "-colorspace", "ycgco", path)
    with pytest.raises(errors.ColorNotSupportedError):
        probe(path)


def test_every_code_is_its_own() -> None:
    def tree(kind: type[errors.MediaError]) -> list[type[errors.MediaError]]:
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in tree(child))]

    codes = [kind.code for kind in tree(errors.MediaError)]
    assert len(codes) == len(set(codes))
