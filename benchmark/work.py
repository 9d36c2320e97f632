"""The arithmetic that one chunk asks for, counted from the sizes; multiply and add are two."""

from flashvsr_core.dit.block_mask import TRAINED_PIXELS, budget_of
from flashvsr_core.dit.windows import WINDOW_TOKENS, Grid
from flashvsr_core.geometry import Size
from flashvsr_core.lq_projection import CELL_PX
from flashvsr_core.settings import StreamSettings
from flashvsr_core.weights.random import ModelConfig

TERA = 1e12


def steady_chunk_tflop(config: ModelConfig, canvas: Size, pipeline: str) -> dict[str, float]:
    """Return TFLOP by stage of a chunk of two latent frames, as the model is defined.

    What this engine saves by algebra (the projection's repeated frames, the phases of enlarged
    pictures) is not taken off: the figure says how fast the model runs, not how busy the chip is.
    """
    grid = Grid(2, canvas.height_px // CELL_PX, canvas.width_px // CELL_PX)
    tokens, width = grid.tokens_per_row, config.dit.width
    layers = config.dit.layers
    linears = 2 * tokens * width * (6 * width + 2 * config.dit.ffn_width) * layers
    cross = 4 * tokens * config.text_tokens * width * layers
    settings = StreamSettings()
    pixels = canvas.height_px * canvas.width_px
    budget = budget_of(grid, settings.sparse_ratio * TRAINED_PIXELS / pixels)
    rows = 1 + int(settings.kv_ratio)
    kept = min(budget, rows * grid.blocks_per_row**2)
    attention = 4 * kept * WINDOW_TOKENS**2 * width * layers
    projection = config.lq_projection
    first = 2 * 36 * projection.in_channels * projection.channels1
    second = 36 * projection.channels1 * projection.channels2
    cells = 2 * grid.h * grid.w
    projected = 2 * cells * (first + second + projection.channels2 * width)
    decoder = _tiny(config, canvas) if pipeline == "tiny" else _wan(config, canvas)
    return {
        "LQ projection": projected / TERA,
        "attention": attention / TERA,
        "linears": (linears + cross) / TERA,
        "decoder": decoder / TERA,
    }


def _tiny(config: ModelConfig, canvas: Size) -> float:
    c1, c2, c3, c4 = config.tiny_decoder.channels
    pixels = canvas.height_px * canvas.width_px / 64
    memory = 3 * 9 * 4  # three blocks of a convolution over twice the channels and two more
    stages = (
        2 * (9 * config.tiny_decoder.in_channels * c1 + 9 * c1 * c1 + memory * c1 * c1)
        + 2 * 4 * (9 * c1 * c2 + memory * c2 * c2)
        + 4 * 16 * (9 * c2 * c3 + memory * c3 * c3)
        + 8 * 64 * (9 * c3 * c4 + 9 * c4 * c4 + 27 * c4)
    )
    return 2 * pixels * stages


def _wan(config: ModelConfig, canvas: Size) -> float:
    base = config.wan_vae.base
    pixels = canvas.height_px * canvas.width_px / 64
    wide, middle, narrow = 4 * base, 2 * base, base
    block = 2 * 27 * wide * wide
    latent = (
        5 * block
        + 27 * config.wan_vae.latent_channels * wide
        + 6 * wide * wide
        + 4 * pixels * wide / 2
        + 4 * 9 * wide * wide / 2
        + 2 * 4 * (27 * wide * wide / 2 + 5 * 27 * wide * wide + 9 * 4 * wide * wide / 2)
        + 4 * 16 * (27 * wide * middle / 2 + 5 * 27 * middle * middle)
        + 4 * 64 * (9 * middle * narrow + 6 * 27 * narrow * narrow + 81 * narrow)
    )
    return 2 * 2 * pixels * latent
