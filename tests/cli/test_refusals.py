"""Bad input: one clear sentence, an exit code, and nothing left behind."""

import os
import shutil
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import clips
from tests.cli.command import flashvsr, one_sentence


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("This is a letter, not a film.\n" * 50)


def truncated(path: Path) -> None:
    whole = clips.with_sound(path.with_name("whole.mp4"), frames=50)
    ffmpeg_faststart = path.with_name("fast.mp4")
    clips.ffmpeg("-i", whole, "-c", "copy", "-movflags", "+faststart", ffmpeg_faststart)
    path.write_bytes(ffmpeg_faststart.read_bytes()[: ffmpeg_faststart.stat().st_size * 2 // 3])
    whole.unlink()
    ffmpeg_faststart.unlink()


def audio_only(path: Path) -> None:
    clips.audio_only(path)


def giant(path: Path) -> None:
    """A header that promises 20,000 x 20,000 pixels."""
    small = path.with_suffix(".avi")
    clips.ffmpeg(*clips.picture("48x48", 1), "-pix_fmt", "yuv420p", "-c:v", "rawvideo", small)
    sizes = struct.pack("<II", 48, 48), struct.pack("<II", 20_000, 20_000)
    path.write_bytes(small.read_bytes().replace(*sizes))
    small.unlink()


def no_frames(path: Path) -> None:
    clips.ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "0", "-c:v", "libx264",
        "-pix_fmt", "yuv420p", path,
    )  # fmt: skip


@pytest.mark.parametrize("make", [empty, text, truncated, audio_only, giant, no_frames])
def test_bad_files_are_refused_in_one_sentence(
    make: Callable[[Path], None], random_weights: Path, tmp_path: Path
) -> None:
    source = tmp_path / "film.mp4"
    make(source)
    output = tmp_path / "out.mp4"
    done = flashvsr("upscale", source, output, "--weights", random_weights, code=3)
    assert "film.mp4" in one_sentence(done.stderr)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("kind", ["ffconcat", "m3u8"])
def test_playlists_named_mp4_open_no_other_file(
    kind: str, random_weights: Path, tmp_path: Path
) -> None:
    """The file that the list names is a pipe: reading it would let the writer's `open` return."""
    secret = tmp_path / "secret.mp4"
    os.mkfifo(secret)
    opened = threading.Event()

    def wait_for_a_reader() -> None:
        with secret.open("wb"):
            opened.set()

    threading.Thread(target=wait_for_a_reader, daemon=True).start()
    source = tmp_path / "film.mp4"
    source.write_text(
        {
            "ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n",
            "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        }[kind]
    )
    done = flashvsr("upscale", source, tmp_path / "out.mp4", "--weights", random_weights, code=3)
    assert "film.mp4" in one_sentence(done.stderr)
    assert not opened.is_set()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "secret.mp4"]
    os.close(os.open(secret, os.O_RDONLY | os.O_NONBLOCK))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return clips.plain(tmp_path / "film.mp4", frames=2)


def test_a_missing_input(tmp_path: Path, random_weights: Path) -> None:
    done = flashvsr(
        "upscale", tmp_path / "no.mp4", tmp_path / "out.mp4", "--weights", random_weights, code=3
    )
    assert "no.mp4" in one_sentence(done.stderr)


@pytest.mark.parametrize("output", ["no/such/folder/out.mp4", "out.xyz", "film.mp4"])
def test_outputs_that_cannot_be_written(source: Path, output: str, random_weights: Path) -> None:
    before = source.read_bytes()
    done = flashvsr(
        "upscale",
        source,
        source.parent / output,
        "--weights",
        random_weights,
        "--overwrite",
        code=4,
    )
    one_sentence(done.stderr)
    assert source.read_bytes() == before
    assert list(source.parent.iterdir()) == [source]


def test_a_read_only_folder(source: Path, random_weights: Path) -> None:
    if os.geteuid() == 0:
        # Root may write anywhere but here.
        output = Path("/proc/flashvsr/out.mp4")
    else:
        folder = source.parent / "locked"
        folder.mkdir(mode=0o500)
        output = folder / "out.mp4"
    done = flashvsr("upscale", source, output, "--weights", random_weights, code=4)
    assert "out.mp4" in one_sentence(done.stderr)


def test_an_existing_output_is_not_replaced_unasked(source: Path, random_weights: Path) -> None:
    output = source.parent / "out.mp4"
    output.write_text("precious")
    done = flashvsr("upscale", source, output, "--weights", random_weights, code=2)
    assert "--overwrite" in one_sentence(done.stderr)
    assert output.read_text() == "precious"
    flashvsr("upscale", source, output, "--weights", random_weights, "--overwrite")
    assert output.stat().st_size > 100


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--scale", "5"], 2, "choose 2, 3 or 4"),
        (["--scale", "2", "--size", "64x64"], 2, "exclude"),
        (["--size", "big"], 2, "1920x1080"),
        (["--tile", "100"], 2, "multiple of 128"),
        (["--bit-depth", "12"], 2, "8 or 10"),
        (["--attention", "dense"], 6, "choose one of"),
        (["--device", "cuda:99"], 6, "cuda:99"),
    ],
)
def test_arguments_that_make_no_sense(
    source: Path, arguments: list[str], code: int, word: str, random_weights: Path
) -> None:
    output = source.parent / "out.mp4"
    done = flashvsr("upscale", source, output, "--weights", random_weights, *arguments, code=code)
    assert word in one_sentence(done.stderr)
    assert list(source.parent.iterdir()) == [source]


def test_wrong_weights(source: Path, random_weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    done = flashvsr("upscale", source, output, "--weights", tmp_path / "none", code=5)
    assert "weights download" in one_sentence(done.stderr)
    broken = tmp_path / "broken"
    shutil.copytree(random_weights, broken)
    (broken / "manifest.json").unlink()
    shutil.copy(broken / "tiny_decoder.safetensors", broken / "dit.safetensors")
    done = flashvsr("upscale", source, output, "--weights", broken, code=5)
    assert "dit.safetensors" in one_sentence(done.stderr)
    assert not output.exists()
