"""One case: a short clip through the whole engine, every stage held against its reference.

A stage gets what this engine's previous stage gave; where the folder lacks the weights for that
one, it gets the reference's numbers instead.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from flashvsr_core.color import MATCHERS, ColorFix
from flashvsr_core.decoder import Decoder, DecoderMemory
from flashvsr_core.dit.attention import AttentionBackend, choose_backend
from flashvsr_core.dit.block import Row
from flashvsr_core.dit.block_mask import local_mask
from flashvsr_core.dit.model import DiT
from flashvsr_core.dit.windows import Grid, from_windows, to_windows
from flashvsr_core.geometry import Size
from flashvsr_core.lq_projection import LQProjection, LQProjectionMemory
from flashvsr_core.network import Network
from flashvsr_core.region import RegionStream
from flashvsr_core.schedule import Chunk, chunk_at
from flashvsr_core.settings import StreamSettings
from flashvsr_core.weights import WeightsFolder
from flashvsr_core.weights.manifest import ModelVersion
from flashvsr_core.weights.pieces import DIT, LQ_PROJECTION, PROMPT, TINY_DECODER, WAN_VAE, Piece
from tests.parity.report import Report

_CPU = torch.device("cpu")
Pairs = list[tuple[Tensor, Tensor]]


@dataclass
class Case:
    """The files of a case folder."""

    name: str
    meta: dict[str, Any]
    low_quality: Tensor
    """(3, F, H, W)."""
    noise: Tensor
    """(16, f, H/8, W/8)."""
    expected: dict[str, Tensor]

    @classmethod
    def read(cls, folder: Path) -> "Case":
        """Read a folder."""
        inputs = load_file(folder / "inputs.safetensors")
        return cls(
            name=folder.name,
            meta=json.loads((folder / "meta.json").read_text()),
            low_quality=inputs["low_quality"][0].float(),
            noise=inputs["noise"][0].float(),
            expected=load_file(folder / "expected.safetensors"),
        )

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks of the clip."""
        return [chunk_at(index) for index in range(self.meta["chunks"])]

    def read_frames(self, chunk: Chunk) -> Tensor:
        """Return what a chunk reads, (3, T, H, W)."""
        start = sum(before.reads for before in self.chunks[: chunk.index])
        return self.low_quality[:, start : start + chunk.reads]

    def emitted_frames(self, chunk: Chunk) -> Tensor:
        """Return the enlarged frames behind what a chunk emits, (3, T, H, W)."""
        start = sum(before.emits for before in self.chunks[: chunk.index])
        return self.low_quality[:, start : start + chunk.emits]

    def grid(self, chunk: Chunk) -> Grid:
        """Return the chunk's tokens."""
        return Grid(chunk.latents, self.meta["height"] // 16, self.meta["width"] // 16)


@dataclass
class Seen:
    """What one run of the DiT computed, beside the expected values."""

    block0: Pairs = field(default_factory=list)
    masks: Pairs = field(default_factory=list)
    velocity: Pairs = field(default_factory=list)
    latents: Pairs = field(default_factory=list)


@torch.inference_mode()
def check_case(folder: Path, weights: Path, report: Report) -> None:
    """Check one case folder."""
    case = Case.read(folder)
    if not weights.is_dir():
        report.skip(case.name, "the folder has no weights/")
        return
    grid = case.grid(case.chunks[0])
    local = local_mask(grid.blocks_down, grid.blocks_across, case.meta["local_range"])
    expected_local = case.expected.get("local_mask")
    report.compare_exactly(
        f"{case.name}/local mask", [] if expected_local is None else [(local, expected_local)]
    )
    tokens = {}
    versions: tuple[ModelVersion, ...] = ("v1_1", "v1")  # type: ignore[assignment]
    for label in versions:
        tokens = _check_projection(case, weights, label, report)
    latents = _check_dit(case, weights, tokens, report)
    for kind, piece in (("tiny", TINY_DECODER), ("full", WAN_VAE)):
        _check_decoder(case, weights, kind, piece, latents, report)


def _check_projection(case: Case, weights: Path, label: str, report: Report) -> dict[int, Tensor]:
    """Return each chunk's tokens in (f, h, w) order, the reference's where they cannot be had."""
    expected = {
        chunk.index: case.expected[key]
        for chunk in case.chunks
        if (key := f"chunk.{chunk.index}.lq_tokens_{label}") in case.expected
    }
    stage = f"{case.name}/LQ tokens {label.replace('_', '.')}"
    opened = WeightsFolder(weights, version="v1.1" if label == "v1_1" else "v1")
    if opened.find(LQ_PROJECTION) is None:
        report.skip(stage, "the folder lacks the projection's weights")
        return {index: tokens[0] for index, tokens in expected.items()}
    projection: LQProjection = opened.lq_projection(_CPU, torch.float32)
    memory = LQProjectionMemory()
    tokens = {
        chunk.index: projection(case.read_frames(chunk), memory).flatten(0, 2)
        for chunk in case.chunks
    }
    report.compare(stage, [(tokens[i].unsqueeze(0), expected[i]) for i in expected])
    return tokens


def _check_dit(
    case: Case, weights: Path, tokens: dict[int, Tensor], report: Report
) -> dict[int, Tensor]:
    """Return each chunk's latents (16, f, H/8, W/8), the reference's where they cannot be had."""
    opened = WeightsFolder(weights)
    stages = ("DiT block 0", "block masks", "DiT velocity", "latents")
    lacking = [piece.name for piece in (DIT, PROMPT) if opened.find(piece) is None]
    if lacking or not tokens:
        for stage in stages:
            report.skip(f"{case.name}/{stage}", f"the folder lacks {lacking or 'LQ tokens'}")
        return {
            chunk.index: case.expected[key][0]
            for chunk in case.chunks
            if (key := f"chunk.{chunk.index}.latents") in case.expected
        }
    dit = opened.dit(_CPU, torch.float32)
    _check_time(case, dit, opened, report)
    latents, seen = _run_dit(case, dit, opened.prompt(), tokens)
    report.compare(f"{case.name}/DiT block 0", seen.block0)
    report.compare_exactly(f"{case.name}/block masks", seen.masks)
    report.compare(f"{case.name}/DiT velocity", seen.velocity)
    report.compare(f"{case.name}/latents", seen.latents)
    return latents


def _check_time(case: Case, dit: DiT, opened: WeightsFolder, report: Report) -> None:
    _, reference = opened.read(PROMPT)
    time, modulation = dit.embed_time()
    pairs = [
        (actual, reference[name])
        for name, actual in (("t", time), ("t_mod", modulation))
        if name in reference
    ]
    report.compare(f"{case.name}/time embedding", pairs)


def _run_dit(
    case: Case, dit: DiT, prompt: Tensor, tokens: dict[int, Tensor]
) -> tuple[dict[int, Tensor], Seen]:
    seen = Seen()
    masks: list[Tensor] = []
    outputs: list[Tensor] = []
    exact = choose_backend("reference", _CPU)

    def attend(
        q: Tensor, k: Tensor, v: Tensor, mask: Tensor, blocks: Tensor | None = None
    ) -> Tensor:
        order = torch.tensor(region.attention_memory.order)
        masks.append(mask.unflatten(-1, (len(order), -1))[:, :, order].flatten(-2))
        return exact.attend(q, k, v, mask, blocks)

    def keep_block0(_module: nn.Module, _inputs: object, output: list[Row]) -> None:
        # The feed-forward part is added by the norm that follows; any factor and offset will do.
        unit = torch.ones(dit.config.width)
        outputs.append(torch.cat([row.add_norm(unit, unit)[0] for row in output]))

    network = Network(
        dit=dit,
        conditioning=dit.condition(prompt),
        lq_projection=None,  # type: ignore[arg-type]  # the tokens are at hand
        decoder=None,  # type: ignore[arg-type]  # checked on its own
        attention=AttentionBackend("seen", attend, exact.scattered),
        device=_CPU,
        dtype=torch.float32,
    )
    settings = StreamSettings(
        local_range=case.meta["local_range"],
        topk_ratio=case.meta["topk_ratio"],
        kv_ratio=case.meta["kv_ratio"],
    )
    region = RegionStream(network, Size(case.meta["height"], case.meta["width"]), settings)
    hook = dit.blocks[0].register_forward_hook(keep_block0)
    latents = {}
    for chunk in case.chunks:
        grid = case.grid(chunk)
        noise = case.noise[:, chunk.first_latent : chunk.first_latent + chunk.latents]
        windowed = to_windows(tokens[chunk.index].unflatten(0, (grid.f, grid.h, grid.w)))
        masks.clear()
        velocity = region.predict(chunk, noise, windowed)
        latents[chunk.index] = noise - velocity
        found = {
            "block.0.tokens": from_windows(outputs.pop(), grid).flatten(0, 2),
            "velocity": velocity,
            "latents": latents[chunk.index],
            **{
                f"layer.{layer}.mask": torch.cat(
                    masks[layer * grid.rows : (layer + 1) * grid.rows], 1
                )
                for layer in range(dit.config.layers)
            },
        }
        places = {"block.0.tokens": seen.block0, "velocity": seen.velocity, "latents": seen.latents}
        for name, actual in found.items():
            expected = case.expected.get(f"chunk.{chunk.index}.{name}")
            if expected is not None:
                places.get(name, seen.masks).append((actual.unsqueeze(0), expected))
    hook.remove()
    return latents, seen


def _check_decoder(
    case: Case,
    weights: Path,
    kind: str,
    piece: Piece,
    latents: dict[int, Tensor],
    report: Report,
) -> None:
    """Check one decoder and the colour fixes behind it."""
    opened = WeightsFolder(weights)
    if opened.find(piece) is None or len(latents) < len(case.chunks):
        report.skip(f"{case.name}/{kind} decoder", "the folder lacks its weights or its input")
        return
    decoder: Decoder = (
        opened.tiny_decoder(_CPU, torch.float32)
        if piece is TINY_DECODER
        else opened.wan_vae(_CPU, torch.float32)
    )
    memory = DecoderMemory()
    frames = torch.cat(
        [
            decoder.decode(latents[chunk.index], case.emitted_frames(chunk), memory)
            for chunk in case.chunks
        ],
        dim=1,
    )
    index = case.expected.get("frame_index", torch.arange(frames.shape[1]))
    wanted = {
        name: case.expected[f"frames_{kind}_{name}"]
        for name in ("no_color", "adain", "wavelet")
        if f"frames_{kind}_{name}" in case.expected
    }
    decoded = frames[:, index]
    source = case.low_quality[:, index]
    plain = wanted.pop("no_color", None)
    report.compare(
        f"{case.name}/{kind} decoder", [] if plain is None else [(decoded.unsqueeze(0), plain)]
    )
    fixes: tuple[ColorFix, ...] = ("adain", "wavelet")
    for name in fixes:
        if plain is not None and name in wanted:
            alone = MATCHERS[name](plain[0], source).unsqueeze(0)
            report.compare(f"{case.name}/{kind} colour fix {name}", [(alone, wanted[name])])
        pairs = (
            [(MATCHERS[name](decoded, source).unsqueeze(0), wanted[name])] if name in wanted else []
        )
        report.compare(f"{case.name}/{kind} final frames {name}", pairs)
