"""Weights folders: released files as they are, checked before every use."""

from flashvsr_core.weights.folder import WeightsFolder
from flashvsr_core.weights.manifest import MODEL_VERSIONS, ModelVersion

__all__ = ["MODEL_VERSIONS", "ModelVersion", "WeightsFolder"]
