"""An output appears whole or not at all, and what cannot work is refused before any work."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from media import errors
from media.encoding import Encoding, can_open
from media.open import open_sink, open_source
from tests import clips


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return clips.with_sound(tmp_path / "in" / "a.mp4")


def refuse(source: Path, target: Path, encoding: Encoding | None = None) -> errors.OutputError:
    with open_source(source) as frames, pytest.raises(errors.OutputError) as caught:
        open_sink(target, frames, 128, 96, encoding)
    return caught.value


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_nothing(
    tmp_path: Path, source: Path, failure: type[BaseException]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.mp4").write_bytes(b"the old one")

    def write_half() -> None:
        with open_source(source) as frames, open_sink(out / "b.mp4", frames, 64, 48) as sink:
            for frame in frames:
                sink.write(frame.pixels, frame.pts)
                if frame.pts > 5000:
                    assert len(names(out)) == 2
                    raise failure

    with pytest.raises(failure):
        write_half()
    assert names(out) == ["b.mp4"]
    assert (out / "b.mp4").read_bytes() == b"the old one"


def test_no_frames_is_no_video(tmp_path: Path, source: Path) -> None:
    with open_source(source) as frames:
        sink = open_sink(tmp_path / "b.mp4", frames, 64, 48)
        with pytest.raises(errors.EncodeError, match="no frame"):
            sink.commit()
    assert names(tmp_path) == ["in"]


def test_missing_folder(tmp_path: Path, source: Path) -> None:
    error = refuse(source, tmp_path / "none" / "b.mp4")
    assert isinstance(error, errors.OutputNotWritableError)
    assert "create it first" in str(error)


def test_output_is_the_input(source: Path) -> None:
    before = source.read_bytes()
    assert isinstance(refuse(source, source), errors.OutputNotWritableError)
    link = source.with_name("link.mp4")
    link.symlink_to(source)
    assert isinstance(refuse(source, link), errors.OutputNotWritableError)
    assert source.read_bytes() == before


def test_output_is_a_folder(tmp_path: Path, source: Path) -> None:
    (tmp_path / "b.mp4").mkdir()
    assert isinstance(refuse(source, tmp_path / "b.mp4"), errors.OutputNotWritableError)


def test_read_only_folder(tmp_path: Path, source: Path) -> None:
    if os.geteuid() == 0:
        folder = Path("/proc/self")  # refuses root, too
    else:
        folder = tmp_path / "ro"
        folder.mkdir(mode=0o555)
    assert isinstance(refuse(source, folder / "b.mp4"), errors.OutputNotWritableError)


@pytest.mark.parametrize("name", ["b.avi", "b", "b.txt", "b.gif"])
def test_unknown_ending(tmp_path: Path, source: Path, name: str) -> None:
    assert isinstance(refuse(source, tmp_path / name), errors.OutputFormatError)
    assert names(tmp_path) == ["in"]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("b.webm", Encoding("h264")),
        ("b.mp4", Encoding("h264", preset="no-such-preset")),
    ],
)
def test_settings_that_do_not_go_together(
    tmp_path: Path, source: Path, name: str, encoding: Encoding
) -> None:
    assert isinstance(refuse(source, tmp_path / name, encoding), errors.EncodingNotSupportedError)
    assert names(tmp_path) == ["in"]


def test_odd_size_in_av1(tmp_path: Path, source: Path) -> None:
    with (
        open_source(source) as frames,
        pytest.raises(errors.EncodingNotSupportedError, match="hevc"),
    ):
        open_sink(tmp_path / "b.mp4", frames, 65, 48, Encoding("av1"))


def test_encoding_checks_itself() -> None:
    with pytest.raises(errors.EncodingNotSupportedError):
        Encoding("vp8")  # type: ignore[arg-type]
    with pytest.raises(errors.EncodingNotSupportedError):
        Encoding(bit_depth=12)  # type: ignore[arg-type]
    with pytest.raises(errors.EncodingNotSupportedError):
        Encoding("h264", crf=52)


def test_nvenc_by_name_without_an_encoder(tmp_path: Path, source: Path) -> None:
    if can_open("h264_nvenc", 8):
        pytest.skip("this machine has NVENC")
    error = refuse(source, tmp_path / "b.mp4", Encoding(hardware="nvenc"))
    assert isinstance(error, errors.EncoderNotAvailableError)
    with open_source(source) as frames:
        open_sink(tmp_path / "b.mp4", frames, 64, 48, Encoding(hardware="auto")).abort()
    assert names(tmp_path) == ["in"]


@pytest.mark.parametrize(
    ("subtitles", "ending"), [("srt", "mp4"), ("ass", "mov"), ("mov_text", "mkv")]
)
def test_subtitles_that_do_not_fit(tmp_path: Path, subtitles: str, ending: str) -> None:
    film = clips.with_subtitles_and_chapters(tmp_path / "film.mkv")
    source = tmp_path / ("a.mp4" if subtitles == "mov_text" else "a.mkv")
    picture = ("-map", "0:v", "-map", "0:s:0", "-c:v", "copy", "-c:s", subtitles)
    clips.ffmpeg("-i", film, *picture, source)
    before = names(tmp_path)
    error = refuse(source, tmp_path / f"b.{ending}")
    assert isinstance(error, errors.StreamNotSupportedByContainerError)
    assert ("an .mp4 output" if ending == "mkv" else "an .mkv output") in str(error)
    assert names(tmp_path) == before


def test_sound_that_does_not_fit(tmp_path: Path, source: Path) -> None:
    error = refuse(source, tmp_path / "b.webm", Encoding("av1"))
    assert isinstance(error, errors.StreamNotSupportedByContainerError)
    assert "aac" in str(error)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((48, 63, 3), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64, 3), np.float32),
    ],
)
def test_wrong_pictures_are_a_programming_error(
    tmp_path: Path, source: Path, bad: np.ndarray
) -> None:
    with open_source(source) as frames:
        sink = open_sink(tmp_path / "b.mp4", frames, 64, 48)
        with pytest.raises(ValueError, match="expected"), sink:
            sink.write(bad, 0)
    assert names(tmp_path) == ["in"]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_full_disk(tmp_path: Path, source: Path, ending: str) -> None:
    # A file-size limit fails the same system calls as a full disk, and needs no privileges.
    out = tmp_path / "out"
    out.mkdir()
    script = f"""
        import resource
        import numpy as np
        from media.errors import OutputFullError
        from media.open import open_sink, open_source
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        noise = np.random.default_rng(0).integers(0, 255, (192, 256, 3), np.uint8)
        with open_source({str(source)!r}) as frames:
            try:
                with open_sink({str(out / f"b.{ending}")!r}, frames, 256, 192) as sink:
                    for frame in frames:
                        sink.write(np.roll(noise, frame.pts, 0), frame.pts)
            except OutputFullError as error:
                print("full:", error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("full:"), done.stderr
    assert names(out) == []
