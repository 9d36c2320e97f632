"""Run ffprobe under limits that this process sets on itself; a program, not a module to import.

An untrusted header is parsed only here: no file can be written, memory and processor time are
bounded, and a crash of the parser is a return code.
Prints one JSON object: {"report": …, "frame": … | null} or {"error": what ffprobe said}.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

import ffmpeg


def probe(url: str, formats: str) -> dict[str, Any]:
    """Describe the file and, for HDR, its first frame, which alone carries the HDR10 metadata."""
    options = {"v": "error", "format_whitelist": formats, "protocol_whitelist": "file"}
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
    """Set the limits, probe, print; arguments: URL, FORMATS, CPU_S, MEMORY_BYTES."""
    url, formats = sys.argv[1:3]
    cpu_s, memory_bytes = int(sys.argv[3]), int(sys.argv[4])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write(json.dumps(probe(url, formats)))


if __name__ == "__main__":
    main()
