"""What a person may choose about one stream."""

from dataclasses import dataclass

from flashvsr_core.color import ColorChoice


@dataclass(frozen=True)
class StreamSettings:
    """Choices for one video; the defaults are the authors' stable ones."""

    seed: int = 0
    color: ColorChoice = "auto"
    bit_depth: int = 8
    """8 gives uint8 frames, more gives uint16 frames over their full range."""
    local_range: int = 11
    """Blocks that a block may see in height and in width; 9 is sharper."""
    sparse_ratio: float = 2.0
    """Share of blocks attended to; 1.5 is faster and less stable."""
    kv_ratio: float = 3.0
    """Earlier window rows attended to."""
    topk_ratio: float | None = None
    """In place of the ratio that `sparse_ratio` and the frame size give."""
    tile_px: int | None = None
    """Side of the tiles that the picture is worked in, a multiple of 128; None is the whole."""
    restarts_at_cuts: bool = True
    """Begin a stream with every scene, so that no frame shows a trace of another scene."""
