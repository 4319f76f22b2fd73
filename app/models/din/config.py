"""The architecture of a DIN as its manifest states it."""

from typing import Literal

from app.models.interest_model import InterestConfig
from app.models.layers.activation import ActivationName


class DinConfig(InterestConfig):
    """Defaults follow the paper: Dice in the activation unit, and attention that is no softmax.

    Intensities that need not sum to one keep how strong an interest is (section 4.3).
    """

    name: Literal["din"] = "din"
    attention_activation: ActivationName = "dice"
    attention_softmax: bool = False
    query_projection: bool = False
    sum_pooling: bool = False  # add the behaviors' sum and its product with the candidate
    cold_interest: bool = False  # a trained interest for users without behaviors, instead of zero
