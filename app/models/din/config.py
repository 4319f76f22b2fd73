"""The architecture of a DIN as its manifest states it."""

from typing import Literal

from app.models.interest_model import InterestConfig
from app.models.layers.activation import ActivationName


class DinConfig(InterestConfig):
    """Defaults follow the paper, but for attention that sums to one, as in its authors' code.

    Without `attention_softmax` it keeps how strong an interest is (section 4.3), which took much
    from the AUC wherever it was measured (docs/quality.md).
    """

    name: Literal["din"] = "din"
    attention_activation: ActivationName = "dice"
    query_projection: bool = False
    sum_pooling: bool = False  # add the behaviors' sum and its product with the candidate
    cold_interest: bool = False  # a trained interest for users without behaviors, instead of zero
