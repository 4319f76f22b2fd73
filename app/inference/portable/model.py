"""A whole DIEN or DIN over padded steps, from embeddings to logits."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from app.core.schema import FeatureSchema
from app.inference.portable.interest import PortableArchitecture, PortableInterest
from app.inference.portable.walk import Walks
from app.models.dien.evolving_interest import EvolvingInterest
from app.models.din.pooled_interest import PooledInterest
from app.models.factory import Architecture, Model
from app.models.interest_model import InterestModel

# U users, C candidates, T steps, E embedding of all behavior fields, I embedded profile,
# S embedded side fields of a candidate


def why_not_portable(architecture: Architecture) -> str | None:
    """The reason in a few words, or None."""
    if not isinstance(architecture, PortableArchitecture):
        return f"there is no {architecture.name} for it"
    if architecture.self_attention_heads:
        return "there is no self-attention for it"
    return None


class PortableModel(nn.Module):
    """Gives the scores of the model that it is made of (tests/inference/portable)."""

    def __init__(
        self, model: Model, config: PortableArchitecture, schema: FeatureSchema, walks: Walks
    ) -> None:
        super().__init__()
        if not isinstance(model, InterestModel):
            raise TypeError(f"there is no {type(model).__name__}")
        self.interests = nn.ModuleList(
            PortableInterest(_known(interest), config, walks) for interest in model.interests
        )
        self.layers = model.mlp.layers
        self._groups = model.groups
        self._widths = {field.name: field.embedding_dim for field in schema.behavior_fields}

    def forward(
        self,
        behaviors_TUE: Tensor,
        lengths_U: Tensor,
        profile_UI: Tensor,
        candidates_CE: Tensor,
        side_CS: Tensor,
        user_of_C: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Logits [C] and attention [C, T]; at least one user, candidate and step."""
        behaviors, candidates = self._fields(behaviors_TUE), self._fields(candidates_CE)
        scored = [
            interest(_joined(behaviors, group), lengths_U, _joined(candidates, group), user_of_C)
            for group, interest in zip(self._groups, self.interests, strict=True)
        ]
        parts = [
            profile_UI.index_select(0, user_of_C),
            candidates_CE,
            *(interest_CX for interest_CX, _ in scored),
            side_CS,
        ]
        logits_C1: Tensor = self.layers(torch.cat(parts, dim=1))
        attention_TC = torch.stack([attention_TC for _, attention_TC in scored]).mean(dim=0)
        return logits_C1.squeeze(1), attention_TC.t().contiguous()

    def _fields(self, embedded: Tensor) -> dict[str, Tensor]:
        widths = list(self._widths.values())
        return dict(zip(self._widths, torch.split(embedded, widths, dim=-1), strict=True))


def _joined(fields: Mapping[str, Tensor], group: Sequence[str]) -> Tensor:
    return torch.cat([fields[name] for name in group], dim=-1)


def _known(interest: nn.Module) -> EvolvingInterest | PooledInterest:
    if not isinstance(interest, EvolvingInterest | PooledInterest):
        raise TypeError(f"there is no {type(interest).__name__}")
    return interest
