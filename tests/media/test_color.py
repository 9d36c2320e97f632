"""Pixel values against the equations of BT.601, BT.709 and BT.2020, written out independently."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.buffer import Buffer

from media.color import ColorTags
from media.encoding import Encoding
from media.open import open_sink, open_source
from media.probe import probe
from tests import clips
from tests.media.looks import enlarge, rgb_frames, video_stream

LUMA = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}
COLORS = np.array(list(itertools.product([0.0, 0.2, 0.5, 0.75, 1.0], repeat=3)))
PATCH_PX = 16

Array = npt.NDArray[np.float64]


def yuv_of(rgb: Array, matrix: str, is_full: bool, bit_depth: int) -> Array:
    """H.273 equations: RGB 0..1 -> code values, unrounded."""
    kr, kb = LUMA[matrix]
    y = rgb @ np.array([kr, 1 - kr - kb, kb])
    cb, cr = (rgb[:, 2] - y) / (2 - 2 * kb), (rgb[:, 0] - y) / (2 - 2 * kr)
    middle, step = 2.0 ** (bit_depth - 1), 2.0 ** (bit_depth - 8)
    if is_full:
        top = 2.0**bit_depth - 1
        return np.stack([y * top, cb * top + middle, cr * top + middle], 1)
    return np.stack(
        [219 * y * step + 16 * step, 224 * cb * step + middle, 224 * cr * step + middle], 1
    )


def patches(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One value per colour -> a picture of one row of square patches."""
    return np.tile(values.repeat(PATCH_PX, 0)[None], (PATCH_PX,) + (1,) * values.ndim)


CASES = pytest.mark.parametrize(
    ("matrix", "range_name", "bit_depth"),
    list(itertools.product(LUMA, ["tv", "pc"], [8, 10])),
)


@CASES
def test_decoding_follows_the_equations(
    tmp_path: Path, matrix: str, range_name: str, bit_depth: int
) -> None:
    top = 2**bit_depth - 1
    yuv = yuv_of(COLORS, matrix, range_name == "pc", bit_depth).round().clip(0, top)
    planes = [patches(yuv[:, channel].astype(np.uint16)) for channel in range(3)]
    path = clips.from_planes(
        tmp_path / "a.mkv", planes, bit_depth=bit_depth, tags=(matrix, range_name)
    )
    with open_source(path) as source:
        pixels = next(iter(source)).pixels
    assert pixels.dtype == (np.uint8 if bit_depth == 8 else np.uint16)
    ours = pixels[8, 8::PATCH_PX] / (255 if bit_depth == 8 else 65535)
    # 1.6 steps come from the rounded YUV values themselves, at any precision after.
    assert np.abs(ours - COLORS).max() * top <= 2.1
    assert abs((ours - COLORS).mean()) * top <= 0.25


@CASES
def test_encoding_follows_the_equations(
    tmp_path: Path, matrix: str, range_name: str, bit_depth: int
) -> None:
    source = clips.from_planes(
        tmp_path / "tags.mkv",
        [np.full((48, 64), 128, np.uint16)] * 3,
        bit_depth=bit_depth,
        tags=(matrix, range_name),
    )
    kind = np.dtype(np.uint8 if bit_depth == 8 else np.uint16)
    picture = patches((COLORS * (255 if bit_depth == 8 else 65535)).round().astype(kind))
    target = tmp_path / "out.mkv"
    # Lossless only at 8 bit; at 10 bit the quicker presets round a little more.
    encoding = Encoding(bit_depth=10 if bit_depth == 10 else 8, crf=0, preset="medium")
    with open_source(source) as frames:
        height, width = picture.shape[:2]
        with open_sink(target, frames, width, height, encoding) as sink:
            sink.write(picture, 0)
    with av.open(str(target)) as container:
        planes = next(container.decode(video=0)).planes
        got = [np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1) for plane in planes]
    count = len(COLORS)
    ours = np.stack(
        [got[0][8, 8::16][:count], got[1][4, 4::8][:count], got[2][4, 4::8][:count]], 1
    ).astype(float)
    top = 2**bit_depth - 1
    wanted = yuv_of(COLORS, matrix, range_name == "pc", bit_depth).clip(0, top)
    assert np.abs(ours - wanted).max() <= 2.1
    stream = video_stream(target)
    assert (stream["color_space"], stream["color_range"]) == (matrix, range_name)


def test_untagged_sd_enlarged_to_hd_keeps_its_colors(tmp_path: Path) -> None:
    source, target = tmp_path / "sd.mp4", tmp_path / "hd.mp4"
    arguments = ("-f", "lavfi", "-i", "color=red:s=640x360:r=25:d=0.08,format=yuv420p")
    clips.ffmpeg(*arguments, *clips.X264_FAST, source)
    assert probe(source).color == ColorTags()
    enlarge(source, target)
    assert video_stream(target)["color_space"] == "smpte170m"
    before, after = rgb_frames(source)[0, 100, 100], rgb_frames(target)[0, 200, 200]
    assert np.abs(before.astype(int) - after).max() <= 3


def test_guesses_at_untagged_sources() -> None:
    assert ColorTags().resolved(720, 576).matrix == "smpte170m"
    assert ColorTags().resolved(1280, 720).matrix == "bt709"
    assert ColorTags(matrix="bt2020nc", range="pc").resolved(64, 48).matrix == "bt2020nc"


def test_hdr_tags_survive(tmp_path: Path) -> None:
    source, target = clips.hdr10(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    enlarge(source, target, encoding=Encoding("hevc", 10, preset="ultrafast"))
    before, after = probe(source), probe(target)
    assert after.color == before.color
    assert after.bit_depth == 10
    assert after.mastering_display == before.mastering_display
    assert after.content_light == before.content_light
    assert video_stream(target)["codec_tag_string"] == "hvc1"


def test_hdr_metadata_in_av1(tmp_path: Path) -> None:
    source, target = clips.hdr10(tmp_path / "a.mp4"), tmp_path / "b.mkv"
    enlarge(source, target, encoding=Encoding("av1", 10))
    assert probe(target).color == probe(source).color
    assert probe(target).mastering_display == probe(source).mastering_display


def test_hdr_metadata_in_h264(tmp_path: Path) -> None:
    source, target = clips.hdr10(tmp_path / "a.mp4"), tmp_path / "b.mkv"
    enlarge(source, target, encoding=Encoding("h264", 10))
    # Read with PyAV, because Debian 12's ffprobe does not know these messages in H.264.
    with av.open(str(target)) as after, av.open(str(source)) as before:
        sides = [next(file.decode(video=0)).side_data for file in (after, before)]
        first, second = (cast(Mapping[str, Buffer], side) for side in sides)
        for kind in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"):
            assert bytes(first[kind]) == bytes(second[kind])


def test_full_range_survives(tmp_path: Path) -> None:
    source, target = clips.full_range_601(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    enlarge(source, target)
    assert probe(target).color == probe(source).color


@pytest.mark.parametrize(
    ("pixel_format", "codec"),
    [
        ("gbrp", "ffv1"),
        ("gbrp10le", "ffv1"),
        ("rgb24", "png"),
        ("yuv444p12le", "ffv1"),
        ("yuv422p10le", "ffv1"),
        ("yuvj420p", "mjpeg"),
    ],
)
def test_white_is_white_in_every_pixel_format(
    tmp_path: Path, pixel_format: str, codec: str
) -> None:
    source, target = tmp_path / "a.mkv", tmp_path / "b.mkv"
    white = ("-f", "lavfi", "-i", f"color=white:s=64x48:r=25:d=0.08,format={pixel_format}")
    clips.ffmpeg(*white, "-c:v", codec, source)
    with open_source(source) as frames:
        pixels = next(iter(frames)).pixels
    assert pixels.min() >= np.iinfo(pixels.dtype).max * 0.999
    enlarge(source, target)
    assert rgb_frames(target).min() >= 254


def test_deep_pixels_keep_their_depth(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(64, 940, dtype=np.uint16)[None, :864], (16, 1))
    grey = np.full_like(ramp, 512)
    source = clips.from_planes(
        tmp_path / "a.mkv", [ramp, grey, grey], bit_depth=10, tags=("bt709", "tv")
    )
    target = tmp_path / "b.mkv"
    enlarge(source, target, scale=1, encoding=Encoding("h264", 10, crf=0))
    with open_source(source) as first, open_source(target) as second:
        before, after = next(iter(first)).pixels, next(iter(second)).pixels
    assert len(np.unique(before[..., 1])) == 864
    assert np.abs(before.astype(int) - after).max() <= 2 * 64
