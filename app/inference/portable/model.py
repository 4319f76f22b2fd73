"""A model or an ensemble over padded steps, from embeddings to scores, with its own code."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from app.core.schema import FeatureSchema
from app.inference.portable.loops import Loop
from app.inference.portable.padded_sequences import PaddedSequences
from app.inference.portable.padding import Ragged
from app.models.ensemble.model import Ensemble
from app.models.factory import Model
from app.models.interest_model import InterestModel
from app.models.layers.embedding import SideFeatures

# U users, C candidates, T steps, F behavior fields, E embedding of all behavior fields,
# I embedded profile, S embedded side fields of a candidate

Pad = Callable[[Tensor, Tensor, int], Tensor]  # [N, X], lengths [U] and fewest T to [T, U, X]


def portable_inputs(model: Model, ragged: Ragged, pad: Pad, *, fewest: int) -> tuple[Tensor, ...]:
    """What `PortableModel` takes: the tensors of a RaggedBatch, padded and embedded."""
    lengths_U, behaviors_NF, seconds_N, *_, user_of_C = ragged
    rows_TUF = pad(behaviors_NF, lengths_U, fewest)
    seconds_TU = pad(seconds_N.unsqueeze(1), lengths_U, fewest).squeeze(2)
    embedded = [part for member in members_of(model) for part in _embed(member, rows_TUF, ragged)]
    return lengths_U, seconds_TU, user_of_C, *embedded


class PortableModel(nn.Module):
    """Gives the scores of the model that it is made of (tests/inference/portable)."""

    def __init__(self, model: Model, schema: FeatureSchema, loop: Loop) -> None:
        super().__init__()
        self._members = members_of(model)
        self._mean = model.mean if isinstance(model, Ensemble) else _only
        # Registered is what is computed with, which leaves out tables.
        self.parts = nn.ModuleList(
            part for member in self._members for part in (member.interests, member.mlp)
        )
        self._widths = {field.name: field.embedding_dim for field in schema.behavior_fields}
        self._most_steps = schema.max_behaviors
        self._loop = loop

    def forward(
        self, lengths_U: Tensor, seconds_TU: Tensor, user_of_C: Tensor, *embedded: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits [C] and attention [C, T]; at least one user and step.

        embedded: four tensors of each member, as `portable_inputs` gives them.
        """
        users = PaddedSequences.of(lengths_U, seconds_TU.shape[0], self._loop, self._most_steps)
        scored = []
        for number, member in enumerate(self._members):
            behaviors_TUE, profile_UI, candidates_CE, side_CS = embedded[
                4 * number : 4 * number + 4
            ]
            behaviors = self._fields(behaviors_TUE.flatten(0, 1))
            states = member.encode_embedded(behaviors, seconds_TU.flatten(), users, profile_UI)
            candidates = self._fields(candidates_CE)
            scored.append(member.score_embedded(states, candidates, side_CS, user_of_C))
        logits, attention = zip(*scored, strict=True)
        return self._mean(logits), self._mean(attention).contiguous()

    def _fields(self, embedded_XE: Tensor) -> Mapping[str, Tensor]:
        parts = torch.split(embedded_XE, list(self._widths.values()), dim=1)
        return dict(zip(self._widths, parts, strict=True))


def members_of(model: Model) -> Sequence[InterestModel[Any]]:
    """Of an ensemble its members, of any other model itself."""
    members = tuple(model.members) if isinstance(model, Ensemble) else (model,)
    return cast("Sequence[InterestModel[Any]]", members)


def _only(opinions: Sequence[Tensor]) -> Tensor:
    (opinion,) = opinions
    return opinion


def _embed(member: InterestModel[Any], rows_TUF: Tensor, ragged: Ragged) -> tuple[Tensor, ...]:
    """Behaviors [T, U, E], profile [U, I], candidates' behavior fields [C, E] and others [C, S]."""
    _, _, _, user_sparse_US, user_dense_UD, candidates_CF, sparse_CS, dense_CD, _ = ragged
    embedding = member.embedding
    behaviors_NE = torch.cat(list(embedding.items(rows_TUF.flatten(0, 1)).values()), dim=1)
    return (
        behaviors_NE.reshape(rows_TUF.shape[0], rows_TUF.shape[1], behaviors_NE.shape[1]),
        embedding.profile(SideFeatures(user_sparse_US, user_dense_UD)),
        torch.cat(list(embedding.items(candidates_CF).values()), dim=1),
        embedding.candidate_side(SideFeatures(sparse_CS, dense_CD)),
    )
