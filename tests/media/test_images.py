import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from media import errors
from media.deep_images import write_deep_png, write_deep_tiff
from media.images import ImageReader
from media.open import open_sink, open_source
from media.probe import ProbeLimits

SMOOTH = np.stack(np.meshgrid(np.arange(0, 240, 5), np.arange(0, 240, 6), [128]), -1)[
    :, :, 0
].astype(np.uint8)
DEEP = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
PROFILE = b"profile" * 40


def read(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [frame.pixels for frame in source]


def copy(source: Path, target: Path) -> None:
    with (
        open_source(source) as frames,
        open_sink(target, frames, frames.width_px, frames.height_px) as sink,
    ):
        for frame in frames:
            sink.write(frame.pixels, frame.pts, frame.duration)


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"])
def test_every_format_in_and_out(tmp_path: Path, ending: str) -> None:
    source, target = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    Image.fromarray(SMOOTH).save(source)
    copy(source, target)
    tolerance = 0 if ending in ("png", "tif", "tiff", "bmp") else 12
    difference = np.abs(read(target)[0].astype(int) - read(source)[0])
    assert difference.max() <= tolerance
    assert np.abs(read(source)[0].astype(int) - SMOOTH).max() <= 30


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_stay(tmp_path: Path, ending: str) -> None:
    source, target = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    write = write_deep_png if ending == "png" else write_deep_tiff
    write(source, DEEP, PROFILE)
    copy(source, target)
    assert read(source)[0].dtype == np.uint16
    assert np.array_equal(read(source)[0], DEEP)
    assert np.array_equal(read(target)[0], DEEP)
    with Image.open(target) as image:
        assert image.info["icc_profile"] == PROFILE


def test_sixteen_bit_grey(tmp_path: Path) -> None:
    Image.fromarray(DEEP[..., 0]).save(tmp_path / "a.png")
    pixels = read(tmp_path / "a.png")[0]
    assert np.abs(pixels[..., 1].astype(int) - DEEP[..., 0]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(tmp_path: Path, orientation: int) -> None:
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "A camera"
    Image.fromarray(SMOOTH).save(source, exif=exif)
    copy(source, target)
    with Image.open(source) as image:
        upright = np.array(ImageOps.exif_transpose(image))
    assert np.array_equal(read(source)[0], upright)
    with Image.open(target) as image:
        assert np.array_equal(np.array(image), upright)
        assert image.getexif()[0x0112] == 1
        assert image.getexif()[0x010F] == "A camera"


def test_icc_profile_survives(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "a.jpg", icc_profile=PROFILE)
    copy(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["icc_profile"] == PROFILE


def test_folder_is_a_sequence_in_natural_order(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in (1, 2, 10):
        Image.fromarray(SMOOTH + number).save(folder / f"frame {number}.png")
    (folder / ".hidden").write_text("")
    with ImageReader(folder) as source:
        assert source.frame_count == 3
        assert [frame.pts for frame in source] == [0, 1, 2]
        assert [frame.pixels[0, 0, 0] for frame in source] == [1, 2, 10]
    copy(folder, out)
    assert sorted(file.name for file in out.iterdir()) == [
        "frame 1.png",
        "frame 10.png",
        "frame 2.png",
    ]
    assert np.array_equal(read(out)[2], SMOOTH + 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(SMOOTH).save(folder / f"{number}.png")

    def write_one() -> None:
        with open_source(folder) as frames, open_sink(tmp_path / "out", frames, 48, 40) as sink:
            sink.write(next(iter(frames)).pixels, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_one()
    with open_source(folder) as frames, pytest.raises(errors.EncodeError, match="0 of 2"):
        open_sink(tmp_path / "out", frames, 48, 40).commit()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_full_folder_is_not_overwritten(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        Image.fromarray(SMOOTH).save(tmp_path / name / "a.png")
    with open_source(tmp_path / "in") as frames:
        with pytest.raises(errors.OutputNotWritableError, match="empty folder"):
            open_sink(tmp_path / "out", frames, 48, 40)
        with pytest.raises(errors.OutputNotWritableError):
            open_sink(tmp_path / "in", frames, 48, 40)


def test_a_pattern_name_is_one_image(tmp_path: Path) -> None:
    write_deep_png(tmp_path / "a%03d.png", DEEP, None)
    Image.fromarray(SMOOTH).save(tmp_path / "a001.png")
    assert np.array_equal(read(tmp_path / "a%03d.png")[0], DEEP)


def test_unequal_sizes(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "a.png")
    Image.fromarray(SMOOTH[:20]).save(tmp_path / "b.png")
    with pytest.raises(errors.SizeChangedError, match=r"b\.png"):
        open_source(tmp_path)


def test_alpha_is_refused_unless_opaque(tmp_path: Path) -> None:
    rgba = np.dstack([SMOOTH, np.full(SMOOTH.shape[:2], 255, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "opaque.png")
    assert np.array_equal(read(tmp_path / "opaque.png")[0], SMOOTH)
    rgba[0, 0, 3] = 254
    Image.fromarray(rgba).save(tmp_path / "a.png")
    with pytest.raises(errors.AlphaNotSupportedError):
        open_source(tmp_path / "a.png")


def test_other_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for content in (b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(errors.NotAVideoError):
            open_source(path)
    Image.fromarray(SMOOTH).save(path)
    with pytest.raises(errors.TooLargeError):
        open_source(path, ProbeLimits(frame_pixels=100))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(errors.NotAVideoError, match="copy it again"):
        read(path)
    with pytest.raises(errors.InputMissingError):
        open_source(tmp_path / "none.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.NoVideoStreamError):
        open_source(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(errors.FormatNotAllowedError, match=r"notes\.txt"):
        open_source(tmp_path / "empty")
    Image.fromarray(SMOOTH).convert("CMYK").save(tmp_path / "c.jpg")
    with pytest.raises(errors.ColorNotSupportedError, match="CMYK"):
        open_source(tmp_path / "c.jpg")


def test_a_huge_image_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(SMOOTH).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (20000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(errors.TooLargeError):
        open_source(path)


def test_pages_and_animations_are_refused(tmp_path: Path) -> None:
    page = Image.fromarray(SMOOTH)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(255 - SMOOTH)])
    page.save(tmp_path / "a.webp", save_all=True, append_images=[Image.fromarray(255 - SMOOTH)])
    for name in ("a.tif", "a.webp"):
        with pytest.raises(errors.FormatNotAllowedError, match="single images"):
            open_source(tmp_path / name)
