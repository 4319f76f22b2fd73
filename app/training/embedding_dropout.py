"""Dropout of single elements of looked-up embeddings, while a model trains."""

from functools import partial

from torch import Tensor, nn
from torch.nn.functional import dropout

from app.models.factory import Model


def drop_embedding_elements(model: Model, rate: float) -> None:
    """From now on, in training mode; what is left is scaled up, and serving knows nothing of it."""
    if rate == 0:
        return
    for _, table in model.tables():
        table.register_forward_hook(partial(_dropped, rate=rate))


def _dropped(table: nn.Module, _rows: tuple[Tensor], vectors_RE: Tensor, *, rate: float) -> Tensor:
    return dropout(vectors_RE, rate, training=table.training)
