"""Makes every kind of clip the tests need, at test time, with PyAV or the ffmpeg program."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

PHONE_PTS = (0, 3000, 6100, 9000, 13500, 15000, 18050, 21000, 24000, 30000)
"""Timestamps of the phone clip's frames, in 1/90000 s: variable, as phones record."""

X264_FAST = ("-c:v", "libx264", "-preset", "ultrafast")


def ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg program quietly; its own errors are shown if it fails."""
    command = ["ffmpeg", "-y", "-nostdin", "-loglevel", "error", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def picture(size: str = "64x48", frames: int = 10, rate: str = "25") -> tuple[str, ...]:
    """Arguments for a moving test picture as an input."""
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate},trim=end_frame={frames}")


def tone(duration_s: float = 0.4) -> tuple[str, ...]:
    """Arguments for a tone as an input."""
    return ("-f", "lavfi", "-i", f"sine=duration={duration_s}")


def plain(path: Path, size: str = "64x48", frames: int = 10, rate: str = "25") -> Path:
    """H.264, 4:2:0, 8 bit, untagged colours, B-frames, no sound."""
    ffmpeg(*picture(size, frames, rate), "-c:v", "libx264", "-pix_fmt", "yuv420p", path)
    return path


def with_sound(path: Path, *, codec: str = "aac", frames: int = 25, rate: str = "25") -> Path:
    """H.264 with B-frames and one sound track."""
    arguments = (*picture(frames=frames, rate=rate), *tone(frames / 25))
    ffmpeg(*arguments, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", codec, path)
    return path


def phone_portrait(path: Path) -> Path:
    """Variable frame rate, stored 64x48 and shown turned to 48x64, with AAC sound.

    The upright picture is white in its top left quarter and black elsewhere.
    """
    upright = np.zeros((64, 48, 3), np.uint8)
    upright[:32, :24] = 255
    stored = np.ascontiguousarray(np.rot90(upright))  # turned counter-clockwise
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, width=64, height=48)
        video.codec_context.time_base = Fraction(1, 90000)
        video.set_display_rotation(-90)
        audio = container.add_stream("aac", rate=48000)
        for pts in PHONE_PTS:
            frame = av.VideoFrame.from_ndarray(stored)
            frame.pts, frame.time_base = pts, Fraction(1, 90000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = (np.sin(np.arange(1024) / 10) * 0.1).astype(np.float32)
        for number in range(16):
            sound = av.AudioFrame.from_ndarray(np.stack([samples, samples]), "fltp", "stereo")
            sound.sample_rate, sound.pts = 48000, number * 1024
            sound.time_base = Fraction(1, 48000)
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


def hdr10(path: Path) -> Path:
    """HEVC, 10 bit, BT.2020, PQ, with mastering display and content light metadata."""
    parameters = (
        "log-level=error:hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:"
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):"
        "max-cll=1000,400"
    )
    tags = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    ffmpeg(
        *picture(),
        *("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le"),
        *("-x265-params", parameters, *tags, "-color_range", "tv", "-tag:v", "hvc1", path),
    )
    return path


def full_range_601(path: Path) -> Path:
    """H.264, tagged full range and BT.601 (smpte170m) throughout."""
    scale = "scale=out_color_matrix=bt601:out_range=full,format=yuv420p"
    tags = ("-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m")
    ffmpeg(*picture(), "-vf", scale, *X264_FAST, *tags, "-color_range", "pc", path)
    return path


def interlaced(path: Path, frames: int = 10) -> Path:
    """H.264 coded as interlaced, top field first."""
    ffmpeg(
        *picture(frames=frames * 2, rate="50"),
        *("-vf", "tinterlace=interleave_top,setfield=tff", "-pix_fmt", "yuv420p", "-r", "25"),
        *("-c:v", "libx264", "-x264-params", "tff=1", "-flags", "+ilme+ildct", path),
    )
    return path


def with_alpha(path: Path, kind: str) -> Path:
    """Transparency as "vp9" (.webm), "prores" (.mov) or "png" (.mov) keep it."""
    options = {
        "vp9": ("libvpx-vp9", "yuva420p"),
        "prores": ("prores_ks", "yuva444p10le"),
        "png": ("png", "rgba"),
    }
    codec, pixel_format = options[kind]
    ffmpeg(*picture(frames=3), "-c:v", codec, "-pix_fmt", pixel_format, path)
    return path


def with_subtitles_and_chapters(path: Path) -> Path:
    """Matroska with two SubRip tracks, two chapters, an attachment, tags and languages."""
    subtitles = path.with_suffix(".srt")
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,300\nHello\n")
    chapters = path.with_suffix(".chapters")
    chapters.write_text(
        ";FFMETADATA1\ntitle=A film\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=200\nEND=400\ntitle=Two\n"
    )
    ffmpeg(
        *(*picture(), *tone(), "-i", str(subtitles), "-i", str(chapters)),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "2", "-map_metadata", "3"),
        *(*X264_FAST, "-pix_fmt", "yuv420p", "-c:a", "libopus", "-c:s", "srt"),
        *("-metadata:s:a:0", "language=deu", "-metadata:s:s:0", "language=fra"),
        *("-metadata:s:s:1", "title=For the deaf", "-disposition:s:1", "hearing_impaired"),
        *("-attach", subtitles, "-metadata:s:t:0", "mimetype=text/plain", path),
    )
    return path


def late_video(path: Path) -> Path:
    """The picture starts 0.5333… s after the sound."""
    ffmpeg(
        *(*tone(1.0), "-itsoffset", "0.53333333", *picture(rate="30"), "-map", "1", "-map", "0"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-video_track_timescale", "30000"),
        *("-c:a", "aac", path),
    )
    return path


def with_cover_art(path: Path) -> Path:
    """mp4 whose first stream is a still cover and whose second is the film."""
    cover = path.with_suffix(".png")
    ffmpeg(*picture("32x32", 1), "-frames:v", "1", cover)
    ffmpeg(
        *("-i", str(cover), *picture(), "-map", "0", "-map", "1", "-c:v:0", "copy"),
        *("-c:v:1", "libx264", "-pix_fmt:v:1", "yuv420p", "-disposition:v:0", "attached_pic", path),
    )
    return path


def audio_only(path: Path) -> Path:
    """A container with sound and no picture."""
    ffmpeg(*tone(), "-c:a", "aac", path)
    return path


def from_planes(
    path: Path,
    planes: Sequence[npt.NDArray[np.uint16]],
    *,
    bit_depth: int,
    tags: tuple[str, str],
) -> Path:
    """One lossless H.264 4:4:4 frame of exactly these Y, U, V values, tagged (matrix, range)."""
    pixel_format = "yuv444p" if bit_depth == 8 else "yuv444p10le"
    matrix = {"bt709": 1, "smpte170m": 6, "bt2020nc": 9}[tags[0]]
    with av.open(str(path), "w") as container:
        height_px, width_px = planes[0].shape
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width_px, height_px, pixel_format
        context.colorspace, context.color_range = matrix, 2 if tags[1] == "pc" else 1
        frame = av.VideoFrame(width_px, height_px, pixel_format)
        kind = np.dtype(np.uint8 if bit_depth == 8 else np.uint16)
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
            rows[:, :width_px] = values
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
