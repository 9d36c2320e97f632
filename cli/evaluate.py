"""`flashvsr evaluate`: measure a model beside bicubic and Lanczos."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from cli.errors import UsageError
from cli.folders import Weights, default_weights
from cli.saving import save_png_frames

if TYPE_CHECKING:
    from evaluation.methods import Method

DEFAULT_METRICS = "psnr,ssim,ms_ssim,vmaf,niqe,tof,warping_error,seam_ratio"


def evaluate(
    data: Annotated[
        Path, typer.Option(help="Clips: videos or image folders; or gt/ and lq/ folders of them.")
    ],
    weights: Weights = None,
    preset: Annotated[
        Literal["youhq40", "reds", "spmcs", "videolq", "aigc30"] | None,
        typer.Option(help="Settings of one of the paper's data sets."),
    ] = None,
    degradation: Annotated[
        Literal["bicubic", "training"] | None,
        typer.Option(help="How low quality is made of truth.", show_default="bicubic"),
    ] = None,
    scale: Annotated[int, typer.Option(help="2, 3 or 4.")] = 4,
    metrics: Annotated[
        str | None, typer.Option(help="Names with commas.", show_default=DEFAULT_METRICS)
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(help="First frames of each clip; 0 for all.", show_default="49"),
    ] = None,
    pipeline: Annotated[
        Literal["tiny", "full"], typer.Option(help="The fast decoder or the large one.")
    ] = "tiny",
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:N or cpu.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the noise and of the degradation.")] = 0,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Only bicubic and Lanczos; needs no weights.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(help="Folder for every output as PNG frames.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the JSON report here as well.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a model on ground-truth clips, beside bicubic and Lanczos."""
    from evaluation.clips import ClipSet
    from evaluation.evaluate import evaluate as run
    from evaluation.methods import BASELINES
    from evaluation.metrics import METRICS
    from evaluation.presets import PRESETS

    settings = PRESETS[preset] if preset else None
    named = metrics.split(",") if metrics else settings.metrics if settings else ()
    names = [name.strip() for name in named or DEFAULT_METRICS.split(",")]
    if unknown := [name for name in names if name not in METRICS]:
        raise UsageError(f"There is no metric {unknown[0]}; choose from {', '.join(METRICS)}")
    if scale not in (2, 3, 4):
        raise UsageError(f"Scale {scale} is not supported; choose 2, 3 or 4")
    kind = degradation or (settings.degradation if settings else "bicubic")
    count = frames if frames is not None else 0 if settings else 49
    clip_set = ClipSet.find(data)
    methods: list[Method] = [*BASELINES]
    if not baselines:
        methods.append(_model(weights, pipeline, device, seed))
    clips = clip_set.read(scale, kind, count or None, seed)
    report = run(
        clips,
        methods,
        [METRICS[name] for name in names],
        scale,
        say=lambda line: print(line, file=sys.stderr),
        keep=lambda clip, method, pixels: save_png_frames(save, clip, method, pixels),
    )
    made = "given" if clip_set.low else kind
    found = {"data": str(data), "scale": scale, "degradation": made, **report.as_json()}
    if output:
        output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(found, indent=2))
        return
    title = f"{settings.title if settings else data.name}, scale {scale}, {made} low quality"
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(report.table(title))
    for name, reason in report.skipped.items():
        print(f"{name}: not measured everywhere, {reason}", file=sys.stderr)


def _model(
    weights: str | None, pipeline: Literal["tiny", "full"], device: str, seed: int
) -> "Method":
    from evaluation.methods import Model, model_name
    from flashvsr_core import FlashVSR, StreamSettings
    from flashvsr_core.weights.names import find_weights

    folder = find_weights(weights or default_weights())
    loaded = FlashVSR.load(folder, pipeline=pipeline, device=device)
    return Model(loaded, StreamSettings(seed=seed), model_name(folder))
