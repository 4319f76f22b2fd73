"""What both libraries' interests have in common, and what a checkpoint never has."""

from collections.abc import Iterable
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from app.importers.source_model import Tensors
from app.models.dien.config import DienConfig
from app.models.layers.activation import ActivationName
from app.models.layers.attention_config import AttentionName
from app.models.layers.recurrence import Evolution

# E embedding of a group's features


class DienOptions(TypedDict, total=False):
    """What the libraries' DIENs differ in."""

    evolution: Evolution
    attention: AttentionName
    attention_units: tuple[int, ...]
    attention_activation: ActivationName
    attention_softmax: bool
    sum_pooling: bool
    mlp_units: tuple[int, ...]
    mlp_activation: ActivationName


def dien_of_checkpoint(**options: Unpack[DienOptions]) -> DienConfig:
    """States as wide as the embedding, that the target is compared with as it is."""
    return DienConfig(
        hidden_size=None,
        augru="paper",
        reset_gate="after",
        query_projection=False,
        auxiliary_units=(),
        **({"sum_pooling": False} | options),
    )


def untrained_auxiliary(width: int) -> Tensors:
    """The auxiliary loss is of training; without hidden units its net is as small as it can be."""
    prefix = "auxiliary.net.layers.0"
    return {f"{prefix}.weight": torch.zeros(1, 2 * width), f"{prefix}.bias": torch.zeros(1)}


def padding_of(tables: Iterable[Tensor]) -> Tensor:
    """[E]: row 0 of a group's tables, which lies where there is no behavior.

    Softmax over nothing but padding is even, so that both libraries' DIN then pools just this.
    """
    return torch.cat([table_VE[0] for table_VE in tables])
