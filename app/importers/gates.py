"""Recurrent weights of other libraries as ours: rows are reset, update (how much is WRITTEN), new.

All of them apply the reset gate after the product with the state, as `reset_gate="after"`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

# I inputs, H hidden, G = 3H rows of a weight or a bias

GateRows = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The weights of one recurrent layer, with gates in a library's own order and sense."""

    input_weight_GI: Tensor
    hidden_weight_GH: Tensor
    input_bias_G: Tensor
    hidden_bias_G: Tensor

    def with_inputs(self, positions: Sequence[int]) -> "Recurrence":
        """The same over inputs in another order: where each of them was before."""
        return replace(self, input_weight_GI=self.input_weight_GI[:, list(positions)])

    def as_cell(self, prefix: str, rows: GateRows) -> dict[str, Tensor]:
        """The tensors of a `GatedCell`, once `rows` has brought the gates into our order."""
        return {
            f"{prefix}.input_weight_GI": rows(self.input_weight_GI),
            f"{prefix}.hidden_weight_GH": rows(self.hidden_weight_GH),
            f"{prefix}.input_bias_G": rows(self.input_bias_G),
            f"{prefix}.hidden_bias_G": rows(self.hidden_bias_G),
        }


def written_from_kept(rows_G: Tensor) -> Tensor:
    """Of torch.nn.GRU, r z n: z says how much is kept, and 1 - sigmoid(x) = sigmoid(-x)."""
    reset, kept, new = rows_G.chunk(3)
    return torch.cat([reset, -kept, new])


def reset_first(rows_G: Tensor) -> Tensor:
    """Of FuxiCTR's AGRU and AUGRU cells, u r n."""
    update, reset, new = rows_G.chunk(3)
    return torch.cat([reset, update, new])


def as_they_are(rows_G: Tensor) -> Tensor:
    """Of DeepCTR-Torch's AGRU and AUGRU cells, r u n."""
    return rows_G
