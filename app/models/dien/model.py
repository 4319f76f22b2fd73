"""DIEN behind the two verbs: interests once per user, their evolution once per candidate."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.core.schema import FeatureSchema
from app.models.ctr_model import CandidateFeatures, SideFeatures
from app.models.dien.auxiliary import AuxiliaryNet
from app.models.dien.config import DienConfig
from app.models.layers.attention import (
    BilinearAttention,
    DotAttention,
    MlpAttention,
    TargetAttention,
    softmax_over_behaviors,
)
from app.models.layers.embedding import FeatureEmbedding
from app.models.layers.mlp import Mlp
from app.models.layers.ragged import Pairs, starts_of
from app.models.layers.recurrence import (
    EvolutionRule,
    GatedCell,
    Spans,
    evolve,
    run_over_behaviors,
)

# U users, N behaviors of all users, C candidates, T steps, P pairs, F behavior fields,
# E embedding, Q query, H hidden, G = 3H, A attention units, I MLP input


@dataclass(frozen=True, slots=True)
class DienUserStates:
    """Everything of DIEN that does not depend on a candidate; users lie end to end."""

    lengths_U: Tensor
    extracted_NH: Tensor  # the extractor's states, which the auxiliary loss trains
    interests_NH: Tensor  # what attention looks at
    attention_keys_NA: Tensor  # the user half of the attention's first product
    evolution_inputs_NG: Tensor  # W x of the second recurrence; empty for evolution "gru"
    behavior_sum_UE: Tensor
    profile_UI: Tensor  # embedded user-side fields and numbers


class Dien(nn.Module):
    """Zhou et al. 2019, sections 3.2 to 3.4, with the variants of `DienConfig`."""

    def __init__(self, config: DienConfig, schema: FeatureSchema) -> None:
        super().__init__()
        self.config = config
        embedding, hidden = schema.item_embedding_dim, config.hidden_size
        self.embedding = FeatureEmbedding(schema, init_std=config.embedding_init_std)
        self.extractor = GatedCell(embedding, hidden, config.reset_gate)
        self.evolution = GatedCell(hidden, hidden, config.reset_gate)
        self.query = _make_query(config, embedding)
        self.attention = _make_attention(config, embedding)
        self.auxiliary = AuxiliaryNet(hidden, embedding, config.auxiliary_units)
        self.mlp = Mlp(_mlp_inputs(config, schema), config.mlp_units, config.mlp_activation)
        self._rule = EvolutionRule.of(config.evolution, config.augru)

    def encode_users(
        self, behaviors_NF: Tensor, lengths_U: Tensor, profile: SideFeatures
    ) -> DienUserStates:
        """The interest extractor (3.2) and every candidate-free half of what follows.

        behaviors_NF: table rows, oldest first, user after user; lengths_U: how many each has.
        """
        behaviors_NE = self.embedding.items(behaviors_NF)
        extracted_NH = interests_NH = run_over_behaviors(self.extractor, behaviors_NE, lengths_U)
        evolution_inputs_NG = interests_NH.new_empty((0, 0))
        if self.config.evolution == "gru":
            interests_NH = run_over_behaviors(self.evolution, interests_NH, lengths_U)
        elif self.config.evolution == "aigru":
            evolution_inputs_NG = self.evolution.project_without_bias(interests_NH)
        else:
            evolution_inputs_NG = self.evolution.project(interests_NH)
        return DienUserStates(
            lengths_U=lengths_U,
            extracted_NH=extracted_NH,
            interests_NH=interests_NH,
            attention_keys_NA=self.attention.prepare_keys(interests_NH),
            evolution_inputs_NG=evolution_inputs_NG,
            behavior_sum_UE=_sum_per_user(behaviors_NE, lengths_U),
            profile_UI=torch.cat(
                [self.embedding.user_side(profile.sparse_RS), profile.dense_RD], dim=1
            ),
        )

    def score(
        self, user_states: DienUserStates, candidates: CandidateFeatures, user_of_C: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits [C] and attention [C, T] of candidates, each with the index of its user."""
        candidate_CE = self.embedding.items(candidates.items_CF)
        pairs = Pairs.of(user_states.lengths_U, user_of_C)
        attention_CT = self._attend(user_states, candidate_CE, pairs)
        interest_CH = self._evolve(user_states, attention_CT, user_of_C, pairs)
        parts = [user_states.profile_UI.index_select(0, user_of_C), candidate_CE]
        if self.config.sum_pooling:
            behavior_sum_CE = user_states.behavior_sum_UE.index_select(0, user_of_C)
            parts += [behavior_sum_CE, candidate_CE * behavior_sum_CE]
        parts += [
            interest_CH,
            self.embedding.candidate_side(candidates.side.sparse_RS),
            candidates.side.dense_RD,
        ]
        logits_C: Tensor = self.mlp(torch.cat(parts, dim=1))
        return logits_C, attention_CT

    def auxiliary_loss(
        self, user_states: DienUserStates, behaviors_NF: Tensor, sampled_NF: Tensor
    ) -> Tensor:
        """Eq. 6 on the extractor's states; sampled_NF: rows of a negative for each behavior."""
        return self.auxiliary.loss(
            user_states.extracted_NH,
            self.embedding.items(behaviors_NF),
            self.embedding.items(sampled_NF),
            user_states.lengths_U,
        )

    def _attend(self, user_states: DienUserStates, candidate_CE: Tensor, pairs: Pairs) -> Tensor:
        scores_P = self.attention(
            self.query(candidate_CE),
            user_states.interests_NH,
            user_states.attention_keys_NA,
            pairs,
        )
        if self.config.attention_softmax:
            return softmax_over_behaviors(scores_P, pairs)
        return pairs.to_padded(scores_P, fill=0.0)

    def _evolve(
        self, user_states: DienUserStates, attention_CT: Tensor, user_of_C: Tensor, pairs: Pairs
    ) -> Tensor:
        if self.config.evolution == "gru":
            weights_P1 = attention_CT[pairs.candidate_P, pairs.step_P].unsqueeze(1)
            interests_PH = pairs.behaviors_of(user_states.interests_NH)
            return pairs.sum_per_candidate(weights_P1 * interests_PH)
        return evolve(
            self.evolution,
            user_states.evolution_inputs_NG,
            Spans(starts_of(user_states.lengths_U)[user_of_C], user_states.lengths_U[user_of_C]),
            attention_CT,
            self._rule,
        )


def _sum_per_user(behaviors_NE: Tensor, lengths_U: Tensor) -> Tensor:
    user_N = torch.repeat_interleave(lengths_U)
    sums_UE = behaviors_NE.new_zeros((len(lengths_U), behaviors_NE.shape[1]))
    return sums_UE.index_add(0, user_N, behaviors_NE)


def _make_query(config: DienConfig, embedding: int) -> nn.Module:
    if config.query_projection:
        hidden = config.hidden_size
        return nn.Sequential(nn.Linear(embedding, hidden), nn.PReLU(hidden, init=0.1))
    if config.attention != "bilinear" and embedding != config.hidden_size:
        raise ValueError(
            f"{config.attention} attention without query_projection needs hidden_size "
            f"{config.hidden_size} to equal the item embedding's width {embedding}"
        )
    return nn.Identity()


def _make_attention(config: DienConfig, embedding: int) -> TargetAttention:
    hidden = config.hidden_size
    match config.attention:
        case "mlp":
            return MlpAttention(hidden, config.attention_units, config.attention_activation)
        case "bilinear":
            return BilinearAttention(hidden, hidden if config.query_projection else embedding)
        case "dot":
            return DotAttention()


def _mlp_inputs(config: DienConfig, schema: FeatureSchema) -> int:
    side_sparse = (*schema.user_sparse_fields, *schema.candidate_sparse_fields)
    dense = (*schema.user_dense_fields, *schema.candidate_dense_fields)
    items = schema.item_embedding_dim * (3 if config.sum_pooling else 1)
    side = sum(field.embedding_dim for field in side_sparse) + len(dense)
    return items + config.hidden_size + side
