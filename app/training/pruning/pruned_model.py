"""A version with less in it, as a starting point to fine-tune."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from app.models.interest_model import InterestModel
from app.training.origin import Provenance, PublishedModel, StartingPoint
from app.training.pruning.ids import fold_ids
from app.training.pruning.units import (
    attention_nets,
    hidden_units,
    last_mlp,
    prune_units,
)
from app.training.samples import Samples
from app.training.side_fields import DeclaredField


@dataclass(frozen=True, slots=True)
class PruningOptions:
    """Which share of what is left out."""

    mlp: float = 0.5  # of the units of each hidden layer
    attention: float = 0.5  # of those of mlp attention
    ids: float = 0.3  # of each of `ids_of`
    ids_of: tuple[str, ...] = ("item_id",)


@dataclass(frozen=True, slots=True)
class PrunedModel:
    """What a published model is after pruning."""

    published: PublishedModel
    options: PruningOptions

    @property
    def fields(self) -> Sequence[DeclaredField]:
        return self.published.fields

    def begin(self, train: Iterable[Samples]) -> StartingPoint:
        """Raises StartupRefused for ids of a field that the model does not have."""
        whole, options = self.published.begin(train), self.options
        units, weights = _without_units(self.published.model, options)
        features, weights = fold_ids(whole.features, weights, options.ids_of, options.ids)
        return StartingPoint(whole.architecture.model_copy(update=units), features, weights)

    def provenance(self) -> Provenance:
        options = self.options
        return replace(
            self.published.provenance(),
            options={
                "pruned_mlp": options.mlp,
                "pruned_attention": options.attention,
                "pruned_ids": options.ids,
                "pruned_ids_of": " ".join(options.ids_of),
            },
        )


def _without_units(
    model: InterestModel[Any], options: PruningOptions
) -> tuple[dict[str, tuple[int, ...]], dict[str, Tensor]]:
    """What changes in the architecture, and the weights that are left."""
    mlp, nets = last_mlp(model), attention_nets(model)
    weights = prune_units(model.state_dict(), mlp, options.mlp)
    for net in nets:
        weights = prune_units(weights, net, options.attention)
    units = {"mlp_units": hidden_units(weights, mlp)}
    if nets:
        units["attention_units"] = hidden_units(weights, nets[0])
    return units, weights
