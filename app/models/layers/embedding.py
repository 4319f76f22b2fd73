"""Embedding tables of a feature schema: padding is zero, unknown ids share a trained row."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from app.core.schema import PAD_ROW, FeatureSchema, SparseField


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

    def items(self, rows_RF: Tensor) -> Tensor:
        """[R, E] from the behavior fields' rows."""
        return self._embed(self._behavior_names, rows_RF)

    def user_side(self, rows_US: Tensor) -> Tensor:
        return self._embed(self._user_names, rows_US)

    def candidate_side(self, rows_CS: Tensor) -> Tensor:
        return self._embed(self._candidate_names, rows_CS)

    def _embed(self, names: Sequence[str], rows: Tensor) -> Tensor:
        columns = [self.tables[name](rows[:, column]) for column, name in enumerate(names)]
        if not columns:
            return torch.empty((len(rows), 0), device=rows.device)
        return torch.cat(columns, dim=1)


def _names(fields: Sequence[SparseField]) -> list[str]:
    return [field.name for field in fields]


def _make_table(field: SparseField, init_std: float) -> nn.Embedding:
    table = nn.Embedding(field.rows, field.embedding_dim, padding_idx=PAD_ROW)
    nn.init.normal_(table.weight, std=init_std)
    nn.init.zeros_(table.weight[PAD_ROW])
    return table
