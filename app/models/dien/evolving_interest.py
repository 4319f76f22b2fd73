"""One interest of a DIEN: extracted once per user, evolved once per candidate."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.models.dien.auxiliary import AuxiliaryNet
from app.models.dien.config import DienConfig
from app.models.layers.gated_cell import GatedCell
from app.models.layers.recurrence import EvolutionRule
from app.models.layers.sequences import Pairs, Sequences
from app.models.layers.target_attention import AttentionKeys, TargetAttention, pool

# U users, N behaviors of all users, C candidates, T steps, E embedding, H hidden, G = 3H,
# X everything that the MLP gets of this interest


@dataclass(frozen=True, slots=True)
class EvolvingStates:
    """What of an interest does not depend on a candidate."""

    sequences: Sequences
    extracted_NH: Tensor  # the extractor's states, which the auxiliary loss trains
    keys: AttentionKeys
    evolution_inputs_NG: Tensor  # W x of the second recurrence; empty where it has run already
    behavior_sum_UE: Tensor


class EvolvingInterest(nn.Module):
    """Zhou et al. 2019, sections 3.2 to 3.4, over the fields of one group."""

    def __init__(self, config: DienConfig, embedding: int, max_behaviors: int) -> None:
        super().__init__()
        hidden = config.hidden_size or embedding
        self.extractor = GatedCell(embedding, hidden, config.reset_gate)
        self.evolution = GatedCell(hidden, hidden, config.reset_gate)
        self.attention = (
            None
            if config.evolution == "gru_last_state"
            else TargetAttention(
                config, width=hidden, candidate_width=embedding, max_steps=max_behaviors
            )
        )
        self.auxiliary = AuxiliaryNet(hidden, embedding, config.auxiliary_units)
        self.width = hidden + (2 * embedding if config.sum_pooling else 0)
        self._config = config
        self._rule = EvolutionRule.of(config.evolution, config.augru)
        self._evolves_before_attention = config.evolution in ("gru", "gru_last_state")

    def encode(
        self, behaviors_NE: Tensor, _seconds_N: Tensor, sequences: Sequences
    ) -> EvolvingStates:
        """The interest extractor (3.2) and every candidate-free half of what follows."""
        extracted_NH = interests_NH = sequences.run(self.extractor, behaviors_NE)
        if self._evolves_before_attention:
            interests_NH = sequences.run(self.evolution, extracted_NH)
        keys = (
            AttentionKeys.unattended(interests_NH)
            if self.attention is None
            else self.attention.prepare(interests_NH, sequences)
        )
        return EvolvingStates(
            sequences=sequences,
            extracted_NH=extracted_NH,
            keys=keys,
            evolution_inputs_NG=self._evolution_inputs(keys.values_NH),
            behavior_sum_UE=sequences.sum(behaviors_NE),
        )

    def score(
        self, states: EvolvingStates, candidate_CE: Tensor, user_of_C: Tensor, pairs: Pairs
    ) -> tuple[Tensor, Tensor]:
        """What the MLP gets [C, X], and attention [C, T]."""
        attention_CT = self._attend(states, candidate_CE, pairs)
        interest_CH = self._evolve(states, attention_CT, user_of_C, pairs)
        if not self._config.sum_pooling:
            return interest_CH, attention_CT
        behavior_sum_CE = states.behavior_sum_UE.index_select(0, user_of_C)
        parts = [behavior_sum_CE, candidate_CE * behavior_sum_CE, interest_CH]
        return torch.cat(parts, dim=1), attention_CT

    def auxiliary_loss(
        self, states: EvolvingStates, next_M: Tensor, clicked_ME: Tensor, sampled_ME: Tensor
    ) -> Tensor:
        """Eq. 6 on the extractor's states before the behaviors in rows `next_M`."""
        return self.auxiliary.loss(states.extracted_NH[next_M - 1], clicked_ME, sampled_ME)

    def _evolution_inputs(self, interests_NH: Tensor) -> Tensor:
        if self._evolves_before_attention:
            return interests_NH.new_empty((0, 0))
        if self._rule.scales_inputs:
            return self.evolution.project_without_bias(interests_NH)
        return self.evolution.project(interests_NH)

    def _attend(self, states: EvolvingStates, candidate_CE: Tensor, pairs: Pairs) -> Tensor:
        if self.attention is None:
            return candidate_CE.new_zeros((pairs.candidates, pairs.longest))
        attention_CT: Tensor = self.attention(candidate_CE, states.keys, pairs)
        return attention_CT

    def _evolve(
        self, states: EvolvingStates, attention_CT: Tensor, user_of_C: Tensor, pairs: Pairs
    ) -> Tensor:
        match self._config.evolution:
            case "gru_last_state":
                last_UH = states.sequences.last(states.keys.values_NH)
                return last_UH.index_select(0, user_of_C)
            case "gru":
                return pool(attention_CT, states.keys.values_NH, pairs)
            case _:
                inputs_NG = states.evolution_inputs_NG
                return states.sequences.evolve(
                    self.evolution, inputs_NG, attention_CT, user_of_C, self._rule
                )
