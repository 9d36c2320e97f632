"""`python -m tests.parity DIR`: one line a stage, exit 1 above the tolerance."""

import argparse
import sys
from pathlib import Path

from tests.parity.case import check_case
from tests.parity.masks import check_masks
from tests.parity.report import Report


def check_folder(folder: Path, tolerance: float) -> Report:
    """Check everything that a folder in the parity format holds; see the format's README.

    `folder` holds `weights/`, `masks/` and cases (folders with a `meta.json`), or is one case whose
    `weights/` lie in it or beside it.
    """
    report = Report(tolerance)
    check_masks(folder / "masks", report)
    cases = sorted(meta.parent for meta in folder.glob("*/meta.json"))
    if (folder / "meta.json").exists():
        cases.append(folder)
    for case in cases:
        near = [case / "weights", case.parent / "weights", folder / "weights"]
        check_case(case, next((path for path in near if path.is_dir()), near[-1]), report)
    return report


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Hold the engine against reference numbers.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"There is no folder {arguments.folder}.", file=sys.stderr)
        return 1
    report = check_folder(arguments.folder, arguments.tolerance)
    print("\n".join(report.lines))
    print(report.verdict)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
