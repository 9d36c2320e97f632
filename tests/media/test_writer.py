"""What a written video keeps of its source: times, sound, subtitles, chapters, tags, shape."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.encoding import Codec, Encoding
from media.open import open_sink, open_source
from media.probe import probe
from media.writer import VideoWriter
from tests import clips
from tests.media.looks import enlarge, ffprobe, packets_md5, shown_at, video_stream

FAST = {"h264": "ultrafast", "hevc": "ultrafast", "av1": "12"}
MILLISECOND = Fraction(1, 1000)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize("bit_depth", [8, 10])
def test_every_codec_keeps_variable_times_and_sound(
    tmp_path: Path, codec: Codec, bit_depth: int
) -> None:
    source, target = clips.phone_portrait(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    deep = bit_depth == 10
    enlarge(source, target, encoding=Encoding(codec, 10 if deep else 8, preset=FAST[codec]))
    assert shown_at(target) == [Fraction(pts, 90000) for pts in clips.PHONE_PTS]
    assert packets_md5(target, "a") == packets_md5(source, "a")
    facts = probe(target)
    assert (facts.width_px, facts.height_px, facts.rotation_degrees) == (96, 128, 0)
    assert (facts.codec, facts.bit_depth) == (codec, bit_depth)


@pytest.mark.parametrize(
    ("rate", "ending"),
    [("24000/1001", "mp4"), ("25", "mp4"), ("1000", "mp4"), ("30000/1001", "mov")],
)
def test_times_are_exact_with_b_frames(tmp_path: Path, rate: str, ending: str) -> None:
    source, target = clips.with_sound(tmp_path / "a.mp4", rate=rate), tmp_path / f"b.{ending}"
    enlarge(source, target)
    assert shown_at(target) == shown_at(source)
    assert len(shown_at(target)) == 25
    before, after = video_stream(source), video_stream(target)
    assert after["has_b_frames"] > 0
    assert after["duration"] == before["duration"]
    assert packets_md5(target, "a") == packets_md5(source, "a")


def test_matroska_times_are_right_to_the_millisecond(tmp_path: Path) -> None:
    source, target = clips.plain(tmp_path / "a.mp4", rate="30000/1001"), tmp_path / "b.mkv"
    enlarge(source, target)
    pairs = zip(shown_at(source), shown_at(target), strict=True)
    assert all(abs(before - after) <= MILLISECOND / 2 for before, after in pairs)


def test_matroska_to_matroska_is_exact(tmp_path: Path) -> None:
    source = clips.with_sound(tmp_path / "a.mkv", codec="libopus", rate="30000/1001")
    enlarge(source, tmp_path / "b.mkv")
    assert shown_at(tmp_path / "b.mkv") == shown_at(source)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_picture_stays_where_it_was_against_the_sound(tmp_path: Path, ending: str) -> None:
    source, target = clips.late_video(tmp_path / "a.mp4"), tmp_path / f"b.{ending}"
    enlarge(source, target)

    def lead(path: Path) -> Fraction:
        with av.open(str(path)) as file:
            sound, picture = file.streams.audio[0], file.streams.video[0]
            first = next(packet for packet in file.demux(sound) if packet.pts is not None)
            assert sound.time_base is not None
            assert first.pts is not None
            assert picture.time_base is not None
            return shown_at(path)[0] - first.pts * sound.time_base

    exact = ending != "mkv"
    assert abs(lead(target) - lead(source)) <= (0 if exact else MILLISECOND)
    assert packets_md5(target, "a") == packets_md5(source, "a")
    if exact:
        assert shown_at(target) == shown_at(source)


def test_last_frame_keeps_its_duration(tmp_path: Path) -> None:
    source, target = clips.phone_portrait(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    with open_source(source) as frames, open_sink(target, frames, 48, 64) as sink:
        for frame in frames:
            sink.write(frame.pixels, frame.pts, 45000 if frame.pts == 30000 else frame.duration)
    duration_s = float(ffprobe(target, "-show_format")["format"]["duration"])
    assert duration_s == pytest.approx((30000 + 45000) / 90000, abs=0.001)


def test_broadcast_clock_starts_at_zero(tmp_path: Path) -> None:
    source, target = clips.with_sound(tmp_path / "a.ts"), tmp_path / "b.mp4"
    enlarge(source, target)
    before, after = shown_at(source), shown_at(target)
    start = min(
        Fraction(s["start_pts"], 90000) for s in ffprobe(source, "-show_streams")["streams"]
    )
    assert start > 1
    assert after == [time - start for time in before]


def test_matroska_keeps_subtitles_chapters_tags_and_attachment(tmp_path: Path) -> None:
    source = clips.with_subtitles_and_chapters(tmp_path / "a.mkv")
    target = tmp_path / "b.mkv"
    enlarge(source, target)
    for selector in ("a:0", "s:0", "s:1"):
        assert packets_md5(target, selector) == packets_md5(source, selector)
    show = ("-show_streams", "-show_chapters", "-show_format")
    before, after = ffprobe(source, *show), ffprobe(target, *show)

    def essence(report: dict) -> list:  # type: ignore[type-arg]
        return [
            (
                stream["codec_type"],
                stream.get("tags", {}).get("language"),
                stream.get("tags", {}).get("title"),
                stream.get("tags", {}).get("filename"),
                stream["disposition"],
            )
            for stream in report["streams"]
        ]

    assert essence(after) == essence(before)
    assert len(essence(after)) == 5
    assert after["chapters"] == before["chapters"]
    assert len(after["chapters"]) == 2
    assert after["format"]["tags"]["title"] == "A film"


def test_mp4_keeps_its_own_subtitles_and_chapters(tmp_path: Path) -> None:
    film, source = clips.with_subtitles_and_chapters(tmp_path / "a.mkv"), tmp_path / "a.mp4"
    clips.ffmpeg("-i", film, "-map", "0:v", "-map", "0:a", "-map", "0:s", *("-c", "copy"),
                 *("-c:a", "aac", "-c:s", "mov_text"), source)  # fmt: skip
    target = tmp_path / "b.mp4"
    enlarge(source, target)
    assert packets_md5(target, "s") == packets_md5(source, "s")
    titles = [c["tags"]["title"] for c in ffprobe(target, "-show_chapters")["chapters"]]
    assert titles == ["One", "Two"]


def test_streams_that_cannot_be_carried_are_named(tmp_path: Path) -> None:
    source, target = clips.with_cover_art(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    with open_source(source) as frames:
        sink = open_sink(target, frames, 64, 48)
        assert isinstance(sink, VideoWriter)
        with sink:
            for frame in frames:
                sink.write(frame.pixels, frame.pts, frame.duration)
    assert len(sink.notes) == 1
    assert "(video, png)" in sink.notes[0]


@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_timecode_survives(tmp_path: Path, ending: str) -> None:
    source, target = tmp_path / "a.mov", tmp_path / f"b.{ending}"
    clips.ffmpeg(*clips.picture(), *clips.X264_FAST, "-timecode", "01:02:03:04", source)
    enlarge(source, target)
    assert video_stream(target)["tags"]["timecode"] == "01:02:03:04"


def test_tags_that_are_not_utf8_survive(tmp_path: Path) -> None:
    source, target = tmp_path / "a.avi", tmp_path / "b.mkv"
    latin = os.fsdecode(b"title=caf\xe9")
    clips.ffmpeg(*clips.picture(), "-c:v", "mpeg4", "-metadata", latin, source)
    assert b"caf\xe9" in source.read_bytes()
    enlarge(source, target)
    assert b"caf\xe9" in target.read_bytes()


def test_sample_aspect_ratio_survives(tmp_path: Path) -> None:
    source, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    clips.ffmpeg(*clips.picture(), "-vf", "setsar=64/45", "-pix_fmt", "yuv420p", source)
    enlarge(source, target)
    assert probe(target).sample_aspect_ratio == Fraction(64, 45)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("size", [(175, 143), (64, 143), (175, 48)])
def test_odd_sizes_are_exact(tmp_path: Path, codec: Codec, size: tuple[int, int]) -> None:
    source, target = clips.plain(tmp_path / "a.mp4", frames=3), tmp_path / "b.mp4"
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[:, -1] = 255
    with open_source(source) as frames, open_sink(target, frames, *size, Encoding(codec)) as sink:
        for frame in frames:
            sink.write(picture, frame.pts)
    with open_source(target) as written:
        pixels = next(iter(written)).pixels
    assert pixels.shape == picture.shape
    assert pixels[:, -1].min() > 230
    assert pixels[:, :-3].max() < 25


def test_index_comes_first_for_streaming(tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    enlarge(clips.plain(tmp_path / "a.mp4"), target)
    data = target.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_av1_in_webm(tmp_path: Path) -> None:
    source = clips.with_sound(tmp_path / "a.mkv", codec="libopus")
    enlarge(source, tmp_path / "b.webm", encoding=Encoding("av1", preset="12"))
    assert packets_md5(tmp_path / "b.webm", "a") == packets_md5(source, "a")
    assert shown_at(tmp_path / "b.webm") == shown_at(source)
