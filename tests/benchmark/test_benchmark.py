"""The benchmark, rehearsed on the CPU at toy size: every figure is there and is a figure."""

from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.work import steady_chunk_tflop
from flashvsr_core.geometry import Size
from flashvsr_core.weights.random import CONFIGS


def test_a_report_goes_to_the_top_of_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.md"
    log.write_text("# Log\n\n<!-- newest first -->\n\n## Earlier\n")
    arguments = "--config tiny-test --pipelines tiny --sizes 128x128 --frames 30 --files"
    main([*arguments.split(), "--device", "cpu", "--append", str(log)])
    written = log.read_text()
    assert capsys.readouterr().out.strip() in written
    assert written.index("The engine's speed") < written.index("## Earlier")
    (row,) = [line for line in written.splitlines() if line.startswith("| tiny |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["128x128", "30"]
    assert float(cells[3]) > 0
    assert float(cells[4]) > 0
    assert "LQ projection" in written
    assert "decoder" in written


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sizes", "100x128"], "multiples of 128"),
        (["--sizes", "large"], "write height x width"),
        (["--device", "cuda:7"], "There is no device 'cuda:7'"),
    ],
)
def test_wrong_wishes_end_in_a_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        main(["--config", "tiny-test", "--device", "cpu", *arguments])


def test_the_work_of_a_chunk_is_what_was_counted_by_hand() -> None:
    found = steady_chunk_tflop(CONFIGS["released"], Size(768, 1408), "tiny")
    counted = {"LQ projection": 5.8, "attention": 23.9, "linears": 21.9, "decoder": 14.7}
    for stage, tflop in counted.items():
        assert found[stage] == pytest.approx(tflop, rel=0.05), stage
    full = steady_chunk_tflop(CONFIGS["released"], Size(768, 1408), "full")
    assert full["decoder"] == pytest.approx(2 * 36.5, rel=0.05)
