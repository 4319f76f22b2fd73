"""One interest of a DIEN or DIN over padded steps."""

import torch
from torch import Tensor, nn

from app.inference.portable.attention import attend, real_steps
from app.inference.portable.walk import PLAIN, Walks, rule_of
from app.models.dien.config import DienConfig
from app.models.dien.evolving_interest import EvolvingInterest
from app.models.din.config import DinConfig
from app.models.din.pooled_interest import PooledInterest
from app.models.layers.recurrence import GatedCell

# U users, C candidates, T steps, E embedding, H width of an interest, G = 3H,
# X everything that the MLP gets of this interest

PortableArchitecture = DienConfig | DinConfig


class PortableInterest(nn.Module):
    """Computes with the layers of another one, user and candidates in one go."""

    def __init__(
        self,
        interest: EvolvingInterest | PooledInterest,
        config: PortableArchitecture,
        walks: Walks,
    ) -> None:
        super().__init__()
        self.interest = interest
        self._config = config
        self._walks = walks

    def forward(
        self, behaviors_TUE: Tensor, lengths_U: Tensor, candidate_CE: Tensor, user_of_C: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the MLP gets [C, X], and attention [T, C]."""
        real_TU = real_steps(behaviors_TUE, lengths_U)
        values_TUH = self._values(behaviors_TUE, real_TU)
        attention_TC = self._attend(values_TUH, lengths_U, candidate_CE, user_of_C)
        real_TC = real_TU.index_select(1, user_of_C)
        interest_CH = self._interest(values_TUH, attention_TC, real_TC, user_of_C)
        if isinstance(self.interest, PooledInterest) and self.interest.cold_interest_E is not None:
            is_cold_C1 = (lengths_U.index_select(0, user_of_C) == 0).unsqueeze(1)
            interest_CH = torch.where(is_cold_C1, self.interest.cold_interest_E, interest_CH)
        if not self._config.sum_pooling:
            return interest_CH, attention_TC
        sum_UE = (behaviors_TUE * real_TU.unsqueeze(2)).sum(dim=0)
        sum_CE = sum_UE.index_select(0, user_of_C)
        return torch.cat([sum_CE, candidate_CE * sum_CE, interest_CH], dim=1), attention_TC

    def _values(self, behaviors_TUE: Tensor, real_TU: Tensor) -> Tensor:
        """What is attended to and then pooled or evolved."""
        if not isinstance(self.interest, EvolvingInterest):
            return behaviors_TUE
        extracted_TUH = self._run(self.interest.extractor, behaviors_TUE, real_TU)
        if not self._evolves_before_attention:
            return extracted_TUH
        return self._run(self.interest.evolution, extracted_TUH, real_TU)

    @property
    def _evolves_before_attention(self) -> bool:
        return isinstance(self._config, DienConfig) and self._config.evolution in (
            "gru",
            "gru_last_state",
        )

    def _run(self, cell: GatedCell, inputs_TUI: Tensor, real_TU: Tensor) -> Tensor:
        real_TU1 = real_TU.unsqueeze(2)
        projected_TUG = inputs_TUI @ cell.input_weight_GI.t() + cell.input_bias_G
        steps = (projected_TUG, torch.zeros_like(real_TU1), real_TU1)
        weights = (cell.hidden_weight_GH, cell.hidden_bias_G)
        return self._walks.all_states(steps, weights, _resets_before(self._config), PLAIN)

    def _attend(
        self, values_TUH: Tensor, lengths_U: Tensor, candidate_CE: Tensor, user_of_C: Tensor
    ) -> Tensor:
        attention = self.interest.attention
        if attention is None:
            return values_TUH.new_zeros((values_TUH.shape[0], user_of_C.shape[0]))
        query_CQ = attention.query(candidate_CE)
        return attend(attention, self._config, (values_TUH, lengths_U), query_CQ, user_of_C)

    def _interest(
        self, values_TUH: Tensor, attention_TC: Tensor, real_TC: Tensor, user_of_C: Tensor
    ) -> Tensor:
        config = self._config
        if isinstance(config, DienConfig) and config.evolution == "gru_last_state":
            return values_TUH[-1].index_select(0, user_of_C)
        if not isinstance(config, DienConfig) or config.evolution == "gru":
            values_TCH = values_TUH.index_select(1, user_of_C)
            return (attention_TC.unsqueeze(2) * values_TCH).sum(dim=0)
        return self._evolve(config, values_TUH, attention_TC, real_TC, user_of_C)

    def _evolve(
        self,
        config: DienConfig,
        values_TUH: Tensor,
        attention_TC: Tensor,
        real_TC: Tensor,
        user_of_C: Tensor,
    ) -> Tensor:
        """The last state [C, H] of the recurrence that attention steers."""
        if not isinstance(self.interest, EvolvingInterest):
            raise TypeError("only a DIEN evolves")
        cell, attention_TC1 = self.interest.evolution, attention_TC.unsqueeze(2)
        projected_TUG = values_TUH @ cell.input_weight_GI.t()
        projected_TCG = projected_TUG.index_select(1, user_of_C)
        if config.evolution == "aigru":
            projected_TCG = attention_TC1 * projected_TCG
        steps = (projected_TCG + cell.input_bias_G, attention_TC1, real_TC.unsqueeze(2))
        weights = (cell.hidden_weight_GH, cell.hidden_bias_G)
        rule = rule_of(config.evolution, config.augru)
        return self._walks.last_state(steps, weights, _resets_before(config), rule)


def _resets_before(config: PortableArchitecture) -> bool:
    return isinstance(config, DienConfig) and config.reset_gate == "before"
