"""L2 penalties on the embeddings that a step looks up, and on no others."""

import numpy as np
import torch
from torch import Tensor

from app.core.batch import Doubles, Rows
from app.core.schema import OOV_ROW, FeatureSchema
from app.errors import StartupRefused
from app.models.factory import Model
from app.training.encoded_split import SplitCounts
from app.training.looked_up import looked_up_rows
from app.training.options import RegularizationOptions
from app.training.steps import StepBatch

# J distinct ids of a step, V rows of a table, E embedding


class EmbeddingPenalty:
    """A sum of squared norms of embeddings, each with a coefficient.

    `l2` of a field: its coefficient for every look-up, over the weight of the step's candidates.
    `mini_batch_aware_l2`: DIN paper (arXiv 1706.06978) eq. 6, lambda / n_j for each id j that the
    step has, where n_j is how often training has it.
    """

    def __init__(
        self, schema: FeatureSchema, counts: SplitCounts, options: RegularizationOptions
    ) -> None:
        """Raises StartupRefused for an L2 of a field that the model does not have."""
        self._schema = schema
        self._l2 = dict(options.l2)
        self._mini_batch_aware_l2 = options.mini_batch_aware_l2
        names = [field.name for field in schema.sparse_fields]
        unknown = sorted(set(self._l2) - set(names))
        if unknown:
            raise StartupRefused(f"--l2 {unknown[0]}: the fields are {', '.join(names)}")
        self._counts_V = {
            name: _expected(look_ups_V, options.id_dropout)
            for name, look_ups_V in counts.look_ups_V.items()
        }

    @property
    def is_zero(self) -> bool:
        return not self._l2 and not self._mini_batch_aware_l2

    def of(self, model: Model, step: StepBatch) -> Tensor:
        """What to add to the loss of the whole step."""
        parts, tables = [], dict(model.tables())
        for name, rows in looked_up_rows(step.batch, self._schema).items():
            rows_J, look_ups_J = np.unique(rows, return_counts=True)
            coefficient_J = self._l2.get(name, 0.0) * look_ups_J / step.weight
            coefficient_J += self._mini_batch_aware_l2 / self._counts_V[name][rows_J]
            norm_J = tables[name].weight[torch.from_numpy(rows_J)].square().sum(dim=1)
            parts.append(norm_J @ torch.from_numpy(coefficient_J).to(norm_J))
        return torch.stack(parts).sum()


def _expected(look_ups_V: Rows, id_dropout: float) -> Doubles:
    """How often training has each id; the unknown one as often as id dropout makes it."""
    counts_V = look_ups_V.astype(np.float64)
    counts_V[OOV_ROW] += id_dropout * look_ups_V.sum()
    return counts_V.clip(min=1.0)
