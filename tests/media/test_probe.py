from fractions import Fraction
from pathlib import Path

import pytest

from media.color import ContentLight
from media.probe import probe
from tests import clips


def test_phone_clip_is_described_upright(tmp_path: Path) -> None:
    facts = probe(clips.phone_portrait(tmp_path / "phone.mp4"))
    assert (facts.width_px, facts.height_px) == (48, 64)
    assert (facts.coded_width_px, facts.coded_height_px) == (64, 48)
    assert facts.rotation_degrees == 90
    assert facts.frame_count == len(clips.PHONE_PTS)
    assert not facts.frame_count_is_estimate
    assert [stream.codec for stream in facts.audio] == ["aac"]


def test_hdr_tags_and_metadata(tmp_path: Path) -> None:
    facts = probe(clips.hdr10(tmp_path / "hdr.mp4"))
    assert facts.bit_depth == 10
    assert (facts.color.matrix, facts.color.range) == ("bt2020nc", "tv")
    assert (facts.color.primaries, facts.color.transfer) == ("bt2020", "smpte2084")
    assert facts.mastering_display is not None
    assert facts.mastering_display.red == (34000, 16000)
    assert facts.mastering_display.max_luminance == 10_000_000
    assert facts.content_light == ContentLight(1000, 400)


def test_matroska_streams_and_chapters(tmp_path: Path) -> None:
    facts = probe(clips.with_subtitles_and_chapters(tmp_path / "film.mkv"))
    assert [stream.language for stream in facts.audio] == ["deu"]
    assert [stream.codec for stream in facts.subtitles] == ["subrip", "subrip"]
    assert facts.chapter_count == 2
    assert facts.frame_count == 10
    assert facts.frame_count_is_estimate


def test_interlaced_is_seen(tmp_path: Path) -> None:
    assert probe(clips.interlaced(tmp_path / "i.mp4")).is_interlaced
    assert not probe(clips.plain(tmp_path / "p.mp4")).is_interlaced


def test_cover_art_is_not_the_video(tmp_path: Path) -> None:
    facts = probe(clips.with_cover_art(tmp_path / "cover.mp4"))
    assert (facts.codec, facts.width_px, facts.frame_count) == ("h264", 64, 10)


def test_json_is_plain(tmp_path: Path) -> None:
    report = probe(clips.plain(tmp_path / "a.mp4", rate="30000/1001")).as_json()
    assert report["average_rate"] == "30000/1001"
    assert report["color"] == {"matrix": None, "range": None, "primaries": None, "transfer": None}
    assert report["path"] == str(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "name", ["with space.mp4", "ünï🎬.mp4", "-i.mp4", "a%03d.mp4", "http:x.mp4", "concat:a|b.mp4"]
)
def test_odd_names_are_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clips.plain(tmp_path / "a.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(name).frame_count == 10


def test_sample_aspect_ratio_turns_with_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "dv.mp4"
    clips.ffmpeg(*clips.picture(), "-vf", "setsar=64/45", "-pix_fmt", "yuv420p", path)
    assert probe(path).sample_aspect_ratio == Fraction(64, 45)
