"""What a stage's configuration file says; every field is checked by name and by type."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from training.errors import TrainingError

T = TypeVar("T")


@dataclass(frozen=True)
class DataConfig:
    """Where clips come from and the shape of a batch."""

    packed: str
    """The packed training set, relative to the working directory."""
    frames: int
    """T of the clips that are drawn: 8n + 1 for stages that run the transformer, else 4n + 1."""
    size_px: int
    """Side of the square clips, a multiple of 128."""
    batch: int
    """Clips in one slot."""
    slots: int = 1
    """Slots in one step. They are shared out among processes: a run gives the same on any number
    of GPUs that divides it, and a GPU that has several accumulates their gradients."""
    group: int = 4
    """Clips of a slot that share the order and the sizes of the degradation."""
    scales: tuple[int, ...] = (4,)
    """Scales, in turn from step to step."""
    image_every: int = 0
    """Every so many steps the clips are still images; 0 is never."""
    makers: int = 0
    """Processes that make the clips; 0 makes them in a thread of the training process. More help
    where the GPU waits for its batches; each decodes the training set once more."""
    pool: int = 0
    """Pairs of batches that are made once, kept in main memory, and drawn again and again, each
    time turned and cut anew; 0 makes new ones for every step."""
    mixed: int = 1
    """Kept batches that the clips of one step are taken from: then one step sees several scales
    and degradations. A divisor of `batch`."""
    crop_px: int = 0
    """Side of the part that is cut from kept clips, a multiple of 8; 0 is the whole."""
    crop_frames: int = 0
    """Its length; 0 is the whole."""
    clean_share: tuple[float, ...] = (0.25,)
    """Share of groups that are only reduced, bicubically: of each scale, or of all."""


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with warm-up, a plateau and a linear decay, and an average of the weights."""

    lr: float
    warmup_steps: int = 100
    """Also after a resume from a checkpoint without optimizer state."""
    decay_share: float = 0.3
    """Last share of the steps (or of the minutes, with --finish) in which the rate falls to 0."""
    weight_decay: float = 0.0
    betas: tuple[float, ...] = (0.9, 0.99)
    gradient_limit: float = 1.0
    """Gradients are scaled down to this norm."""
    whitened: bool = False
    """Take the tiny decoder's steps in coordinates of its inputs; see `training.whitening`."""
    average_decay: float = 0.999
    """Of the exponential moving average that is exported and handed to the next stage."""


@dataclass(frozen=True)
class AttentionConfig:
    """Streaming attention, as the engine's settings name it."""

    topk_ratios: tuple[float, ...] = (2.0,)
    """Share of pairs of two window rows that is attended to, in turn from step to step."""
    local_range: int = 11
    kv_ratio: float = 3.0
    recompute: bool = False
    """Compute blocks again in the backward pass: slower, much less memory."""


@dataclass(frozen=True)
class DiffusionConfig:
    """Noise levels, and the critic of the distillation."""

    shift: float = 5.0
    """Above 1 more clips are drawn at high noise; Wan2.1 uses 5."""
    critic_lr: float = 1e-4


@dataclass(frozen=True)
class StageConfig:
    """One stage: one file."""

    stage: str
    model: str
    """A name of `flashvsr_core.weights.random.CONFIGS`."""
    data: DataConfig
    optimizer: OptimizerConfig
    steps: int
    losses: dict[str, float]
    """Weight of every loss term of the stage; a term that is left out has weight 0."""
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    seed: int = 0
    precision: str = "auto"
    """`fp32`, `bf16`, or `auto`: bf16 on a GPU."""
    perceptual: str = "gradients"
    """`gradients`, or `lpips` where its package and weights are."""
    decoder_lr: float = 0.0
    """Of the tiny decoder in the distillation; 0 leaves it as it is."""
    matched: bool = False
    """Compare clips that were only reduced with the truth after they were matched to their sources,
    as the engine does: nothing needs to be learned that the sources show."""
    tf32_steps: int = 0
    """First steps of the decoder's stage that draw in TF32, where the GPU has it: twice as fast,
    and wrong by an eighth of a level in each layer, which the steps after them mend."""
    log_steps: int = 20
    checkpoint_minutes: float = 5.0


def read_config(path: Path) -> StageConfig:
    """Read a TOML file.

    Raises:
        TrainingError: it cannot be read, or a field is unknown, missing or of another type.

    """
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read as a configuration ({error}).") from error
    return _build(StageConfig, table, str(path))


def _build(kind: type[T], table: dict[str, Any], where: str) -> T:
    hints = get_type_hints(kind)
    assert dataclasses.is_dataclass(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(table.keys() - fields.keys())
    if unknown:
        raise TrainingError(
            f"{where} has the field '{unknown[0]}', which does not exist; there are:"
            f" {', '.join(fields)}."
        )
    values = {}
    for name, spec in fields.items():
        if name in table:
            values[name] = _convert(hints[name], table[name], f"{where}: {name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise TrainingError(f"{where} lacks the field '{name}'.")
    return kind(**values)


def _convert(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401  (types of any field)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return _build(kind, value, where)
    origin = get_origin(kind)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(get_args(kind)[0], item, where) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: _convert(get_args(kind)[1], item, where) for key, item in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is None and type(value) is kind:
        return value
    raise TrainingError(f"{where} cannot be {value!r}; it must be {kind}.")
