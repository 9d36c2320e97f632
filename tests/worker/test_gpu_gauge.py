"""The gauge, against a stand-in for the driver's program: none is on a machine without a GPU."""

import sys
from pathlib import Path

import pytest

from tests.patience import wait_until
from worker.gpu_gauge import GpuGauge, own_device, read_busy


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `nvidia-smi` that knows GPU 3 only, at the utilisation that a file says."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--query-gpu=utilization.gpu*--id=3) cat {tmp_path}/busy;;'
        " *) echo 'No devices were found'; exit 6;; esac\n"
    )
    program.chmod(0o755)
    (tmp_path / "busy").write_text("40\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    # Whatever is installed here must not be asked.
    monkeypatch.setitem(sys.modules, "pynvml", None)
    return tmp_path


def test_the_mean_of_what_the_driver_says(driver: Path) -> None:
    assert read_busy() == 0.4
    gauge = GpuGauge(every_s=0.01)
    assert gauge.busy is None
    gauge.start()
    wait_until(lambda: gauge.busy == 0.4)
    (driver / "busy").write_text("80\n")
    wait_until(lambda: gauge.busy == 0.8)
    gauge.close()


@pytest.mark.parametrize("said", ["[N/A]\n", "", "[Unknown Error]\n"])
def test_what_is_no_number_is_unknown(driver: Path, said: str) -> None:
    (driver / "busy").write_text(said)
    assert read_busy() is None


def test_without_gpu_or_driver_nothing_is_told(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert read_busy() is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert own_device() is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1c2d,1")
    assert own_device() == "GPU-1c2d"
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert read_busy() is None
