"""From an architecture's configuration to the model that implements it."""

from app.core.schema import FeatureSchema
from app.models.dien.config import DienConfig
from app.models.dien.model import Dien

Architecture = DienConfig
Model = Dien


def build_model(architecture: Architecture, schema: FeatureSchema) -> Model:
    """Untrained weights. Raises ValueError for an architecture that does not fit its features."""
    return Dien(architecture, schema)
