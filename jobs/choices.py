"""What can be chosen for a job beside its input and output, as presets and manifests write it.

The same fields with the same bounds as those of a single job over the API; a test compares them.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.errors import RequestInvalidError
from jobs.request import PRIORITIES, Pipeline

Codec = Literal["h264", "hevc", "av1"]
Color = Literal["auto", "adain", "wavelet", "source", "none"]
Container = Literal["mp4", "mov", "mkv", "webm"]


class Choices(BaseModel):
    """The parameters of jobs; what is left out is as for a single job."""

    model_config = ConfigDict(strict=True, extra="forbid")

    pipeline: Pipeline | None = Field(default=None, description="`full` is slower and finer.")
    scale: Literal[2, 3, 4] | None = Field(
        default=None, description="Output over input size; 4 where no size is given."
    )
    width_px: int | None = Field(default=None, ge=16, le=16_384)
    height_px: int | None = Field(default=None, ge=16, le=16_384)
    seed: int | None = Field(default=None, ge=0, le=2**63 - 1)
    color: Color | None = Field(
        default=None, description="How colours are matched to the source; `auto` suits the weights."
    )
    sparse_ratio: float | None = Field(default=None, ge=0.5, le=8, allow_inf_nan=False)
    local_range: int | None = Field(default=None, ge=1, le=63)
    tile_px: int | None = Field(default=None, ge=128, le=16_384, multiple_of=128)
    codec: Codec | None = None
    bit_depth: Literal[8, 10] | None = Field(default=None, description="Null is as the source.")
    crf: int | None = Field(default=None, ge=0, le=63, description="Lower is better.")
    container: Container | None = None
    queue: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", description="A GPU class."
    )
    priority: int | None = Field(
        default=None, ge=PRIORITIES[0], le=PRIORITIES[-1], description="Higher runs sooner."
    )

    def chosen(self) -> dict[str, Any]:
        """Give what was chosen, in plain JSON types."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


def read_choices(found: object) -> dict[str, Any]:
    """Read choices that nobody has checked yet.

    Raises:
        RequestInvalidError: a field is unknown or out of its range; names it.

    """
    try:
        return Choices.model_validate(found).chosen()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "the parameters"
        raise RequestInvalidError(f"{name[:100]} cannot be used: {first['msg']}.") from error
