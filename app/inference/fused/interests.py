"""Interests of DIEN and DIN as the kernel's structures."""

from collections.abc import Mapping

import numpy as np
from torch import nn

from app.inference.fused.arena import Arena
from app.inference.fused.layers import (
    Floats,
    Linear,
    floats,
    linear_of,
    linears_of,
    make_cell,
    make_layer,
    without_bias,
)
from app.inference.fused.support import FusedArchitecture
from app.kernels.packing import columns
from app.kernels.structures import AttentionCode, EvolutionCode, Interest, Layer
from app.models.dien.config import DienConfig
from app.models.dien.evolving_interest import EvolvingInterest
from app.models.din.pooled_interest import PooledInterest
from app.models.layers.attention import BilinearAttention, MlpAttention, MultiHeadAttention
from app.models.layers.recurrence import Evolution
from app.models.layers.target_attention import TargetAttention

# A first attention layer, H width of an interest, Q query

_EVOLUTIONS: Mapping[Evolution, EvolutionCode] = {
    "augru": EvolutionCode.AUGRU_PAPER,
    "agru": EvolutionCode.AGRU,
    "aigru": EvolutionCode.AIGRU,
    "gru": EvolutionCode.POOL,
    "gru_last_state": EvolutionCode.LAST_STATE,
}


def make_interest(
    arena: Arena,
    interest: nn.Module,
    config: FusedArchitecture,
    field_of_group: list[int],
    embedding: int,
) -> Interest:
    """`field_of_group`: which behavior fields its embedding is made of."""
    if not isinstance(interest, EvolvingInterest | PooledInterest):
        raise TypeError(f"the fused kernel has no {type(interest).__name__}")
    structure = Interest(
        fields=len(field_of_group),
        field=arena.address(np.array(field_of_group, np.int32)),
        embedding=embedding,
        hidden=embedding,
        sum_pooling=config.sum_pooling,
        evolution=_evolution_of(config),
    )
    if isinstance(interest, EvolvingInterest):
        structure.hidden = interest.extractor.hidden
        structure.extractor = arena.pointer_to(make_cell(arena, interest.extractor))
        structure.evolution_cell = arena.pointer_to(make_cell(arena, interest.evolution))
    elif interest.cold_interest_E is not None:
        structure.cold_interest = arena.address(floats(interest.cold_interest_E))
    if interest.attention is not None:
        _attend(arena, structure, interest.attention, config)
    return structure


def _evolution_of(config: FusedArchitecture) -> EvolutionCode:
    if not isinstance(config, DienConfig):
        return EvolutionCode.POOL
    if config.evolution == "augru" and config.augru == "official":
        return EvolutionCode.AUGRU_OFFICIAL
    return _EVOLUTIONS[config.evolution]


def _attend(
    arena: Arena, structure: Interest, attention: TargetAttention, config: FusedArchitecture
) -> None:
    """Fills what the structure says of attention."""
    kind = attention.kind
    query = _query_of(attention.query)
    structure.attention = AttentionCode.DOT
    structure.softmax = config.attention_softmax
    structure.heads = 1
    match kind:
        case MlpAttention():
            structure.attention = AttentionCode.MLP
            _split(arena, structure, kind)
        case BilinearAttention():
            _keys(arena, structure, floats(kind.weight_HQ.T))
        case MultiHeadAttention():
            structure.heads = config.attention_heads
            _keys(arena, structure, floats(kind.key.weight))
            scale = (len(kind.query.weight) // config.attention_heads) ** -0.5
            query.append(without_bias(kind.query.weight * scale))
        case _:
            pass  # a scalar product needs no weights
    structure.query_layers = len(query)
    structure.query = arena.array_of([make_layer(arena, linear) for linear in query], Layer)


def _query_of(query: nn.Module) -> list[Linear]:
    if not isinstance(query, nn.Sequential):
        return []
    linear, activation = query
    if not isinstance(linear, nn.Linear):
        raise TypeError("a query begins with a linear layer")
    return [linear_of(linear, activation)]


def _keys(arena: Arena, structure: Interest, key_AH: Floats) -> None:
    structure.key_width = len(key_AH)
    structure.key_columns = arena.address(columns(key_AH))


def _split(arena: Arena, structure: Interest, kind: MlpAttention) -> None:
    """W [q, h, q-h, q*h] as halves of q and of h, and what is left for the pair."""
    w_q, w_h, w_d, w_p = kind.first.weight.chunk(4, dim=1)
    _keys(arena, structure, floats(w_h - w_d))
    half: Linear = (floats(w_q + w_d), floats(kind.first.bias), None)
    structure.query_half = arena.pointer_to(make_layer(arena, half))
    _, zero_A, _ = without_bias(w_p)
    linears: list[Linear] = [(floats(w_p), zero_A, kind.activation), *linears_of(kind.rest)]
    structure.pair_layers = len(linears)
    structure.pair = arena.array_of([make_layer(arena, linear) for linear in linears], Layer)
