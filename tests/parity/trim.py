"""`python -m tests.parity.trim DIR`: cut the first chunk of a case down to what a clone can carry.

The result, `tests/data/parity.tar.xz`, is in the parity format. The prompt embedding is multiplied
through the first text layer, which is then replaced by the identity: the same numbers at a
sixteenth of the size. Left out for their size: the projection's weights (its tokens are kept) and
the attention inputs (the agreement test draws its own).
"""

import argparse
import json
import tarfile
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

TARGET = Path(__file__).parents[1] / "data" / "parity.tar.xz"

_CASE = "case_b"
_FRAMES = 25
_LATENTS = 6
_STORED_FRAMES = (20,)
_MASKS = ("m5_8x8_lr9",)


def trim(source: Path, target: Path) -> None:
    """Write the trimmed folder."""
    _trim_weights(source / "weights", target / "weights")
    _trim_case(source / _CASE, target / _CASE)
    masks = target / "masks"
    masks.mkdir()
    index = json.loads((source / "masks" / "index.json").read_text())
    kept = [entry for entry in index if entry["name"] in _MASKS]
    (masks / "index.json").write_text(json.dumps(kept))
    for name in (*_MASKS, "local_masks"):
        save_file(
            load_file(source / "masks" / f"{name}.safetensors"), masks / f"{name}.safetensors"
        )


def _trim_weights(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name in ("tiny_decoder", "wan_vae"):
        save_file(load_file(source / f"{name}.safetensors"), target / f"{name}.safetensors")
    dit = load_file(source / "dit.safetensors")
    prompt = load_file(source / "prompt.safetensors")
    first = dit["text_embedding.0.weight"].double()
    folded = (prompt["context"].double() @ first.T).float()
    dit["text_embedding.0.weight"] = torch.eye(len(first), dtype=torch.bfloat16)
    save_file(dit, target / "dit.safetensors")
    save_file({**prompt, "context": folded}, target / "prompt.safetensors")


def _trim_case(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    inputs = load_file(source / "inputs.safetensors")
    save_file(
        {
            "low_quality": inputs["low_quality"][:, :, :_FRAMES].contiguous(),
            "noise": inputs["noise"][:, :, :_LATENTS].contiguous(),
        },
        target / "inputs.safetensors",
    )
    expected = load_file(source / "expected.safetensors")
    stored = expected["frame_index"].tolist()
    places = [stored.index(frame) for frame in _STORED_FRAMES]
    kept = {
        name: tensor[:, :, places].contiguous() if name.startswith("frames_") else tensor
        for name, tensor in expected.items()
        if not name.startswith("chunk.") or name.startswith("chunk.0.")
    }
    kept["frame_index"] = torch.tensor(_STORED_FRAMES)
    del kept["chunk.0.lq_tokens_v1_1"]
    save_file(kept, target / "expected.safetensors")
    meta = json.loads((source / "meta.json").read_text())
    meta |= {"padded_frames": _FRAMES, "output_frames": _FRAMES - 4, "chunks": 1}
    (target / "meta.json").write_text(json.dumps(meta))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Cut a parity folder down for the repository.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        trim(folder, Path(temporary) / "parity")
        TARGET.parent.mkdir(exist_ok=True)
        with tarfile.open(TARGET, "w:xz", preset=9) as archive:
            archive.add(Path(temporary) / "parity", "parity")


if __name__ == "__main__":
    main()
