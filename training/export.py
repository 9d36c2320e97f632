"""Averaged weights as a weights folder that the engine loads like any other."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from flashvsr_core.weights import pieces
from flashvsr_core.weights.manifest import Manifest, record_of, write_manifest
from training import networks
from training.checkpoint import load_checkpoint, piece_of
from training.errors import TrainingError
from training.latent_space import STAGE as LATENT_STAGE
from training.latent_space import RunningStatistics
from training.networks import draw_prompt, fill_piece, find_model

CARD_FILE = "README.md"

DENOISING_STAGES = ("full_attention", "streaming", "distillation")


def export_weights(runs: Path, folder: Path, after: str, card: Path | None = None) -> Manifest:
    """Write a weights folder in float16.

    float16 has 3 bits more than bfloat16, and the weights are far inside its range.

    Args:
        runs: the run folder.
        folder: created if needed; must not hold anything yet.
        after: the stage whose transformer and projection are taken; only `distillation` has a tiny
            decoder of its own, before it the one of the stage `decoder` is used.
        card: copied as the folder's README.md.

    Raises:
        TrainingError: a stage is missing, or the folder is not empty.

    """
    if after not in DENOISING_STAGES:
        raise TrainingError(
            f"The stage '{after}' gives no transformer; choose one of:"
            f" {', '.join(DENOISING_STAGES)}."
        )
    if folder.exists() and any(folder.iterdir()):
        raise TrainingError(f"{folder} is not empty; give a new folder for the weights.")
    denoising = load_checkpoint(runs, after)
    model = find_model(denoising.state.model)
    latent = load_checkpoint(runs, LATENT_STAGE).averaged
    decoder = denoising.averaged if after == "distillation" else None
    if decoder is None:
        decoder = load_checkpoint(runs, "decoder").averaged
    running = RunningStatistics(model.wan_vae.latent_channels)
    fill_piece(running, latent, networks.LATENT_STATISTICS)
    statistics = running.statistics()
    contents: dict[pieces.Piece, dict[str, Tensor]] = {
        pieces.DIT: piece_of(denoising.averaged, networks.DIT),
        pieces.LQ_PROJECTION: piece_of(denoising.averaged, networks.LQ_PROJECTION),
        pieces.TINY_DECODER: piece_of(decoder, networks.TINY_DECODER),
        pieces.WAN_VAE: piece_of(latent, networks.WAN_VAE),
        pieces.PROMPT: {"context": draw_prompt(model)},
        pieces.LATENT_STATISTICS: {"mean": statistics.mean, "std": statistics.std},
    }
    folder.mkdir(parents=True, exist_ok=True)
    source = f"trained, {denoising.state.model}, {after} step {denoising.state.step}"
    records = {}
    for piece, tensors in contents.items():
        path = folder / piece.converted_file
        save_file({name: t.to(torch.float16).contiguous() for name, t in tensors.items()}, path)
        records[path.name] = record_of(path, "v1.1", source)
    if card is not None:
        shutil.copyfile(card, folder / CARD_FILE)
    # What is learned here begins as a copy of the source, and stays near it.
    manifest = Manifest(records, color="source")
    write_manifest(folder, manifest)
    return manifest
