"""The files of a weights folder: what each holds and what it may be called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """One file of a weights folder."""

    name: str
    released_file: str | None
    """The authors' name for it; None where they have no such file."""
    ignored_prefixes: tuple[str, ...] = ()
    """Tensors that the file has and inference does not use."""

    @property
    def converted_file(self) -> str:
        """The name that `flashvsr weights convert` gives it."""
        return f"{self.name}.safetensors"


DIT = Piece("dit", "diffusion_pytorch_model_streaming_dmd.safetensors")
LQ_PROJECTION = Piece("lq_projection", "LQ_proj_in.ckpt")
TINY_DECODER = Piece("tiny_decoder", "TCDecoder.ckpt")
WAN_VAE = Piece("wan_vae", "Wan2.1_VAE.pth", ignored_prefixes=("encoder.", "conv1."))
PROMPT = Piece("prompt", "posi_prompt.pth")
LATENT_STATISTICS = Piece("latent_statistics", None)
"""Mean and standard deviation of the latent channels, for models with a latent space of their own;
without it Wan2.1's are used."""

REQUIRED = (DIT, LQ_PROJECTION, TINY_DECODER, PROMPT)
"""What the tiny pipeline needs."""

PIECES = (*REQUIRED, WAN_VAE, LATENT_STATISTICS)
