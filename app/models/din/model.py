"""DIN behind the two verbs: keys once per user, weights and their sum once per candidate."""

from app.core.schema import FeatureSchema
from app.models.din.config import DinConfig
from app.models.din.pooled_interest import PooledInterest, PooledStates
from app.models.interest_model import InterestModel


class Din(InterestModel[PooledStates]):
    """Zhou et al. 2018, section 4, with the variants of `DinConfig`."""

    def __init__(self, config: DinConfig, schema: FeatureSchema) -> None:
        super().__init__(
            config,
            schema,
            lambda width: PooledInterest(config, width, schema.max_behaviors),
        )
