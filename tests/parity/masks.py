"""Block masks and block-sparse attention alone."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from flashvsr_core.dit.attention import available_backends, choose_backend
from flashvsr_core.dit.block_mask import local_mask, select_blocks
from flashvsr_core.dit.rope import HEAD_DIM
from flashvsr_core.kernels.pooling import pool_blocks
from tests.parity.report import Report

_CPU = torch.device("cpu")


def check_masks(folder: Path, report: Report) -> None:
    """Check everything in a `masks/` folder."""
    if not folder.is_dir():
        report.skip("masks", "the folder has no masks/")
        return
    _check_local_masks(folder / "local_masks.safetensors", report)
    _check_attention(folder / "attention.safetensors", report)
    index = folder / "index.json"
    for entry in json.loads(index.read_text()) if index.exists() else []:
        _check_selection(folder / f"{entry['name']}.safetensors", entry, report)


def _check_local_masks(path: Path, report: Report) -> None:
    pairs = []
    for name, expected in (load_file(path) if path.exists() else {}).items():
        size, reach = name.removeprefix("local_").split("_lr")
        down, across = size.split("x")
        pairs.append((local_mask(int(down), int(across), int(reach)), expected))
    report.compare_exactly("masks/local_masks", pairs)


def _check_selection(path: Path, entry: dict[str, int], report: Report) -> None:
    stage = f"masks/{entry['name']}"
    if not path.exists():
        report.skip(stage, f"{path.name} is missing")
        return
    tensors = load_file(path)
    pooled_q, pooled_k = (
        pool_blocks(tensors[name].float().flatten(0, 1).unflatten(-1, (-1, HEAD_DIM)))
        for name in ("q_w", "k_w")
    )
    local = local_mask(entry["h"] // 8, entry["w"] // 8, entry["local_range"])
    mask = select_blocks(pooled_q, pooled_k, local, int(tensors["topk"]))
    pairs = [(mask.unsqueeze(0), tensors["mask"])]
    if "local_mask" in tensors:
        pairs.append((local, tensors["local_mask"]))
    report.compare_exactly(stage, pairs)


def _check_attention(path: Path, report: Report) -> None:
    if not path.exists():
        report.skip("masks/attention", f"{path.name} is missing")
        return
    tensors = load_file(path)
    expected = tensors.get("out_f64", tensors.get("out"))
    for name in available_backends(_CPU):
        attend = choose_backend(name, _CPU).attend
        out = attend(tensors["q"], tensors["k"], tensors["v"], tensors["mask"][0])
        report.compare(
            f"masks/attention, {name}", [(out, expected)] if expected is not None else []
        )
