"""Run ffprobe under limits that this process sets on itself; a program, not a module to import.

An untrusted header is parsed only here: no file can be written, memory and processor time are
bounded, and a crash of the parser is a return code. Usage: probe_child.py URL CPU_S MEMORY_BYTES.
Prints one JSON object: {"report": …, "frame": … | null} or {"error": what ffprobe said}.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import ffmpeg

READABLE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"
"""Repeated from media/containers.py, since this program imports nothing of the package."""


def probe(url: str) -> dict[str, Any]:
    """Describe the file and, for HDR, its first frame, which alone carries the HDR10 metadata."""
    options = {"v": "error", "format_whitelist": READABLE_FORMATS, "protocol_whitelist": "file"}
    try:
        report = ffmpeg.probe(url, show_chapters=None, **options)
        frame = None
        for stream in report.get("streams", []):
            if stream.get("color_transfer") == "smpte2084":
                frame = ffmpeg.probe(
                    url,
                    show_frames=None,
                    select_streams=str(stream["index"]),
                    read_intervals="%+#1",
                    **options,
                )
                break
    except ffmpeg.Error as error:
        return {"error": error.stderr.decode(errors="replace")}
    except FileNotFoundError:
        return {"missing": "ffprobe"}
    return {"report": report, "frame": frame}


def main() -> None:
    """Set the limits, probe, print."""
    url, cpu_s, memory_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write(json.dumps(probe(url)))


if __name__ == "__main__":
    main()
