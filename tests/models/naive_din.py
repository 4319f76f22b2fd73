"""DIN as loops, from the paper's equations (arXiv 1706.06978)."""

from collections.abc import Sequence

from app.models.din.config import DinConfig
from tests.models.naive_attention import NaiveAttention
from tests.models.naive_layers import Vector, Weights, weighted_sum
from tests.models.naive_model import NaiveModel, with_sums


class NaiveDin(NaiveModel[DinConfig]):
    """Section 4.3, eq. 1: the sum of a(e_j, v_A) e_j."""

    def interest(
        self, weights: Weights, behaviors: Sequence[Vector], seconds: Sequence[int], target: Vector
    ) -> tuple[Vector, Vector]:
        attend = NaiveAttention(self.config, weights.under("attention")).attend
        attention, values = attend(target, behaviors)
        pooled = weighted_sum(attention, values, width=len(target))
        if self.config.cold_interest and not behaviors:
            pooled = weights["cold_interest_E"]
        if self.config.sum_pooling:
            pooled = with_sums(behaviors, target, pooled)
        return pooled, attention
