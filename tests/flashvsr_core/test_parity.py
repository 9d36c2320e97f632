from pathlib import Path

import pytest

from tests.parity.__main__ import check_folder

SHARED = Path(__file__).parents[3] / "shared" / "parity"


def test_the_engine_computes_the_authors_numbers(parity_folder: Path) -> None:
    report = check_folder(parity_folder, tolerance=1e-4)
    assert report.passed, "\n".join(report.lines)
    assert report.checked >= 14, "\n".join(report.lines)


@pytest.mark.heavy
@pytest.mark.skipif(
    not SHARED.is_dir(), reason="the full parity folder lies outside the repository"
)
def test_the_engine_computes_all_of_the_authors_numbers() -> None:
    report = check_folder(SHARED, tolerance=1e-4)
    assert report.passed, "\n".join(report.lines)
    assert report.checked >= 34, "\n".join(report.lines)


def test_a_wrong_number_fails(parity_folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(parity_folder, tmp_path / "parity")
    path = tmp_path / "parity" / "case_b" / "expected.safetensors"
    expected = load_file(path)
    expected["chunk.0.velocity"] *= 1.001
    expected["chunk.0.layer.1.mask"][0, 0, 0, 0] ^= True
    save_file(expected, path)
    shutil.rmtree(tmp_path / "parity" / "masks")
    for name in ("tiny_decoder", "wan_vae"):
        (tmp_path / "parity" / "weights" / f"{name}.safetensors").unlink()
    report = check_folder(tmp_path / "parity", tolerance=1e-4)
    failed = [line.split()[1:3] for line in report.lines if line.startswith("FAIL")]
    assert failed == [["case_b/block", "masks"], ["case_b/DiT", "velocity"]]


def test_a_folder_without_anything_to_check_fails(tmp_path: Path) -> None:
    assert not check_folder(tmp_path, tolerance=1e-4).passed
