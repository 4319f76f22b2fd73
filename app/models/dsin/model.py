"""DSIN behind the two verbs: sessions once per user, their weights once per candidate."""

from app.core.schema import FeatureSchema
from app.models.dsin.config import DsinConfig
from app.models.dsin.session_interest import SessionInterest, SessionStates
from app.models.interest_model import InterestModel


class Dsin(InterestModel[SessionStates]):
    """Feng et al. 2019, section 3, with the variants of `DsinConfig`."""

    def __init__(self, config: DsinConfig, schema: FeatureSchema) -> None:
        super().__init__(config, schema, lambda width: SessionInterest(config, width))
