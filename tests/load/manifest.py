"""A long manifest through a whole farm on this machine: how soon it is accepted, in what memory.

    python -m tests.load.manifest [--lines 100000]

No worker runs, so that reading alone is measured. Exit 1 if it takes a minute or more, if a line
is missing, or if the API or the sweeper needs much more memory than for a short manifest.
"""

# ruff: noqa: T201 - a command speaks by printing

import argparse
import sys
import tempfile
import time
from pathlib import Path

from client import FlashVSRClient
from tests.load.farm import Farm, started_farm
from tests.patience import wait_until

LIMIT_S = 60.0
SHORT_LINES = 2000
LARGEST_GROWTH = 1.25


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has held so far."""
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024


def read_manifest(farm: Farm, folder: Path, lines: int) -> tuple[float, float]:
    """Send a manifest; return the seconds of the answer and until its last line was read."""
    manifest = folder / f"{lines}.csv"
    keys = (f"archive/{number // 1000:04}/reel+{number:06}.mov" for number in range(lines))
    manifest.write_text("".join(f"{farm.bucket},{key}\n" for key in keys))
    with FlashVSRClient(farm.url, farm.key) as client:
        began = time.monotonic()
        batch = client.batches.create(manifest=manifest, template="out/{path}/{stem}_x4.mp4")
        answered_s = time.monotonic() - began
        wait_until(
            lambda: client.batches.get(batch.id).state != "reading",
            "the manifest was not read",
            patience_s=10 * LIMIT_S,
        )
        read_s = time.monotonic() - began
        counts = client.batches.get(batch.id).counts
        if (counts.total, counts.refused) != (lines, 0):
            raise AssertionError(f"{lines} lines became {counts}")
        client.batches.cancel(batch.id)
    return answered_s, read_s


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    lines: int = parser.parse_args().lines
    peaks: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with started_farm(folder, workers=0) as farm:
            for count in (SHORT_LINES, lines):
                answered_s, read_s = read_manifest(farm, folder, count)
                print(f"{count:>7} lines: answered in {answered_s:.2f} s, read in {read_s:.1f} s")
                for name, pid in farm.pids.items():
                    peaks.setdefault(name, []).append(peak_mib(pid))
    for name, (short, long) in peaks.items():
        print(f"{name}: at most {short:.0f} MiB, then {long:.0f} MiB")
    is_flat = all(long <= short * LARGEST_GROWTH for short, long in peaks.values())
    return 0 if is_flat and read_s < LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
