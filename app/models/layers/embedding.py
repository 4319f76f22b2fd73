"""Embedding tables of a feature schema: padding is zero, unknown ids share a trained row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from app.core.schema import PAD_ROW, FeatureSchema, SparseField

# R users, candidates or behaviors, F behavior fields, S sparse and D dense side fields,
# E embedding, I embedded sparse and dense side fields

FieldGroup = Sequence[str]  # names of behavior fields


@dataclass(frozen=True, slots=True)
class SideFeatures:
    """Fields beside the behavior fields, of R users or candidates."""

    sparse_RS: Tensor  # int64 table rows
    dense_RD: Tensor  # float32, standardized


class FeatureEmbedding(nn.Module):
    """One table per sparse field; behaviors and candidates share theirs."""

    def __init__(self, schema: FeatureSchema, *, init_std: float) -> None:
        super().__init__()
        self._behavior_names = _names(schema.behavior_fields)
        self._user_names = _names(schema.user_sparse_fields)
        self._candidate_names = _names(schema.candidate_sparse_fields)
        self.tables = nn.ModuleDict(
            {field.name: _make_table(field, init_std) for field in schema.sparse_fields}
        )
        self._widths = {field.name: field.embedding_dim for field in schema.behavior_fields}
        # What the last MLP gets of user and candidate, whatever it gets of the behaviors.
        self.width_beside_interests = (
            sum(field.embedding_dim for field in schema.user_sparse_fields)
            + len(schema.user_dense_fields)
            + schema.item_embedding_dim
            + sum(field.embedding_dim for field in schema.candidate_sparse_fields)
            + len(schema.candidate_dense_fields)
        )

    def named_tables(self) -> Iterator[tuple[str, nn.Embedding]]:
        """Each sparse field's name with its table."""
        return iter(cast("Mapping[str, nn.Embedding]", self.tables).items())

    def items(self, rows_RF: Tensor) -> dict[str, Tensor]:
        """By behavior field, its embedding [R, E of the field]."""
        return {
            name: self.tables[name](rows_RF[:, column])
            for column, name in enumerate(self._behavior_names)
        }

    def profile(self, profile: SideFeatures) -> Tensor:
        """[R, I] of users."""
        return torch.cat([*self._embed(self._user_names, profile), profile.dense_RD], dim=1)

    def candidate_side(self, side: SideFeatures) -> Tensor:
        """[R, I] of candidates."""
        return torch.cat([*self._embed(self._candidate_names, side), side.dense_RD], dim=1)

    def width_of(self, group: FieldGroup) -> int:
        """E of these behavior fields together. Raises ValueError for one that there is not."""
        unknown = set(group) - set(self._behavior_names)
        if unknown:
            raise ValueError(
                f"a group names {min(unknown)}; behaviors have {', '.join(self._behavior_names)}"
            )
        return sum(self._widths[name] for name in group)

    def _embed(self, names: Sequence[str], side: SideFeatures) -> list[Tensor]:
        return [self.tables[name](side.sparse_RS[:, column]) for column, name in enumerate(names)]


def joined(fields: Mapping[str, Tensor], group: FieldGroup) -> Tensor:
    """[R, E]: the embeddings of a group's fields side by side."""
    return torch.cat([fields[name] for name in group], dim=1)


def _names(fields: Sequence[SparseField]) -> list[str]:
    return [field.name for field in fields]


def _make_table(field: SparseField, init_std: float) -> nn.Embedding:
    table = nn.Embedding(field.rows, field.embedding_dim, padding_idx=PAD_ROW)
    nn.init.normal_(table.weight, std=init_std)
    nn.init.zeros_(table.weight[PAD_ROW])
    return table
