"""Target attention: how much each behavior of a user matters to a candidate."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.models.layers.attention import (
    AttentionKind,
    BilinearAttention,
    DotAttention,
    MlpAttention,
    MultiHeadAttention,
    softmax_over_behaviors,
)
from app.models.layers.attention_config import AttentionConfig
from app.models.layers.self_attention import SelfAttention
from app.models.layers.sequences import Pairs, Sequences

# N behaviors of all users, C candidates, T steps, H width of an interest, E candidate,
# A attention units


@dataclass(frozen=True, slots=True)
class AttentionKeys:
    """What of attention does not depend on a candidate."""

    values_NH: Tensor  # what is pooled or evolved: the interests, in context if configured
    placed_NH: Tensor  # the same, with their positions if configured
    keys_NA: Tensor  # the user half of the first product

    @classmethod
    def unattended(cls, values_NH: Tensor) -> "AttentionKeys":
        """Of a model that looks at no behavior more than at another."""
        return cls(values_NH, values_NH, values_NH[:, :0])


class TargetAttention(nn.Module):
    """Any kind of attention, over interests of any kind: behaviors, GRU states or sessions."""

    def __init__(
        self, config: AttentionConfig, *, width: int, candidate_width: int, max_steps: int
    ) -> None:
        """`width` of an interest. Raises ValueError for widths that do not fit the kind."""
        super().__init__()
        self._normalized = config.attention_softmax
        query_width = width if config.query_projection else candidate_width
        self.query = _make_query(config, candidate_width, width)
        self.kind = _make_kind(config, width, query_width)
        self.context = (
            SelfAttention(width, config.self_attention_heads)
            if config.self_attention_heads
            else None
        )
        self.position_TH = (
            nn.Parameter(torch.randn(max_steps, width).mul_(0.02))
            if config.position_aware
            else None
        )

    def prepare(self, interests_NH: Tensor, sequences: Sequences) -> AttentionKeys:
        """Once per user, whose interests are a sequence, oldest first."""
        values_NH = placed_NH = interests_NH
        if self.context is not None:
            values_NH, _ = self.context(interests_NH, sequences)
            placed_NH = values_NH
        if self.position_TH is not None:
            from_end_N = sequences.steps_from_end()
            placed_NH = values_NH + self.position_TH.index_select(0, from_end_N)
        return AttentionKeys(values_NH, placed_NH, self.kind.prepare_keys(placed_NH))

    def forward(self, candidate_CE: Tensor, keys: AttentionKeys, pairs: Pairs) -> Tensor:
        """Attention [C, T], zero past each user's last step."""
        scores_PK = self.kind(self.query(candidate_CE), keys.placed_NH, keys.keys_NA, pairs)
        if self._normalized:
            return softmax_over_behaviors(scores_PK, pairs)
        return pairs.to_padded(scores_PK.mean(dim=1), fill=0.0)


def pool(attention_CT: Tensor, values_NH: Tensor, pairs: Pairs) -> Tensor:
    """[C, H]: the sum of each candidate's behaviors, weighted by attention; zero without any."""
    weights_P1 = pairs.from_padded(attention_CT).unsqueeze(1)
    return pairs.sum_per_candidate(weights_P1 * pairs.behaviors_of(values_NH))


def _make_query(config: AttentionConfig, candidate_width: int, width: int) -> nn.Module:
    if config.query_projection:
        return nn.Sequential(nn.Linear(candidate_width, width), nn.PReLU(width, init=0.1))
    if config.attention in ("mlp", "dot") and candidate_width != width:
        raise ValueError(
            f"{config.attention} attention without query_projection needs interests as wide as "
            f"the item embedding: {width} and {candidate_width} differ"
        )
    return nn.Identity()


def _make_kind(config: AttentionConfig, width: int, query_width: int) -> AttentionKind:
    match config.attention:
        case "mlp":
            return MlpAttention(width, config.attention_units, config.attention_activation)
        case "bilinear":
            return BilinearAttention(width, query_width)
        case "dot":
            return DotAttention()
        case "multi_head":
            return MultiHeadAttention(width, query_width, config.attention_heads)
