"""From an architecture's configuration to the model that implements it."""

from typing import Annotated, Any

from pydantic import Field

from app.core.schema import FeatureSchema
from app.models.ctr_model import CtrModel
from app.models.dien.config import DienConfig
from app.models.dien.model import Dien
from app.models.din.config import DinConfig
from app.models.din.model import Din
from app.models.dsin.config import DsinConfig
from app.models.dsin.model import Dsin
from app.models.ensemble.config import EnsembleConfig, SingleArchitecture
from app.models.ensemble.model import Ensemble

Architecture = Annotated[SingleArchitecture | EnsembleConfig, Field(discriminator="name")]
Model = CtrModel[Any]


def build_model(architecture: Architecture, schema: FeatureSchema) -> Model:
    """Untrained weights. Raises ValueError for an architecture that does not fit its features."""
    match architecture:
        case DienConfig():
            return Dien(architecture, schema)
        case DinConfig():
            return Din(architecture, schema)
        case DsinConfig():
            return Dsin(architecture, schema)
        case EnsembleConfig():
            members = [build_model(member.architecture, schema) for member in architecture.members]
            return Ensemble(architecture, members)
