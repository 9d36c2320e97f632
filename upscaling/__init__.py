"""A source through the model into a sink: the one place that knows both tensors and files."""

from upscaling.run import Progress, upscale

__all__ = ["Progress", "upscale"]
