"""VMAF through an ffmpeg that has libvmaf: the system's, else the one in imageio-ffmpeg."""

import json
import shutil
import subprocess
import tempfile
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from evaluation.errors import MetricUnavailableError
from evaluation.metrics.metric import Frames

SMALLEST_SIDE_PX = 64


class Vmaf:
    """Video multi-method assessment fusion, model vmaf_v0.6.1, 0 to 100."""

    name = "vmaf"
    higher_is_better = True
    needs_truth = True

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the mean over frames, as libvmaf pools them."""
        assert truth is not None
        if min(output.shape[1:3]) < SMALLEST_SIDE_PX:
            raise MetricUnavailableError(f"VMAF needs sides of {SMALLEST_SIDE_PX} pixels or more")
        program = find_ffmpeg()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "output.rgb").write_bytes(output.tobytes())
            (folder / "truth.rgb").write_bytes(truth.tobytes())
            size = f"{output.shape[2]}x{output.shape[1]}"
            raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "25"]
            graph = (
                "[0:v]format=yuv420p[o];[1:v]format=yuv420p[t];"
                "[o][t]libvmaf=log_fmt=json:log_path=log.json"
            )
            command = [program, "-hide_banner", "-nostdin", *raw, "-i", "output.rgb"]
            command += [*raw, "-i", "truth.rgb", "-lavfi", graph, "-f", "null", "-"]
            # The program is ffmpeg and every argument is ours.
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)  # noqa: S603
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise MetricUnavailableError(f"{program} could not measure VMAF: {reason}")
            log = json.loads((folder / "log.json").read_text())
        return float(log["pooled_metrics"]["vmaf"]["mean"])


@lru_cache(maxsize=1)
def find_ffmpeg() -> str:
    """Return an ffmpeg with libvmaf.

    Raises:
        MetricUnavailableError: there is none.

    """
    candidates = [shutil.which("ffmpeg")]
    if find_spec("imageio_ffmpeg"):
        candidates.append(import_module("imageio_ffmpeg").get_ffmpeg_exe())
    for program in filter(None, candidates):
        listed = subprocess.run(  # noqa: S603
            [program, "-hide_banner", "-filters"], capture_output=True, text=True, check=False
        )
        if " libvmaf " in listed.stdout:
            return program
    raise MetricUnavailableError(
        "VMAF needs an ffmpeg with libvmaf; install one, or"
        " pip install 'flashvsr-service[evaluation]'"
    )
