"""FuxiCTR's DIN: pooled histories stand where their sequences do among the features."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from app.errors import StartupRefused
from app.importers.columns import Part, Span, width_of
from app.importers.fuxictr.config import Activation, DinOptions
from app.importers.fuxictr.features import (
    Features,
    Pair,
    check_no_other_sequences,
    check_same_order,
    read_pairs,
)
from app.importers.fuxictr.weights import (
    activation_name,
    read_mlp,
    read_tower,
    same_for_all,
    tower_activation,
)
from app.importers.source_model import Network
from app.importers.state_dict import StateDict
from app.models.din.config import DinConfig


def read_din(options: DinOptions, features: Features, state: StateDict) -> Network:
    """Raises StartupRefused for what the library or this service cannot do."""
    pairs = _pairs(options, features, state)
    paddings = [features.padding(state, pair) for pair in pairs]
    cold = options.din_use_softmax and any(bool(padding_E.any()) for padding_E in paddings)
    interests = [
        _read_attention(options, index, features.pair_width(pair), state)
        for index, pair in enumerate(pairs)
    ]
    if cold:
        for interest, padding_E in zip(interests, paddings, strict=True):
            interest["cold_interest_E"] = padding_E
    inputs = list(_inputs(features, pairs))
    return Network(
        architecture=_architecture(options, cold_interest=cold),
        groups=tuple(pair.targets for pair in pairs),
        max_behaviors=features.max_length(pairs),
        interests=tuple(interests),
        tower=read_tower(state, width_of(inputs), options),
        inputs=inputs,
    )


def _pairs(options: DinOptions, features: Features, state: StateDict) -> tuple[Pair, ...]:
    pairs = read_pairs(
        features,
        state,
        options.din_target_field,
        options.din_sequence_field,
        modules=state.numbered_below("attention_layers"),
    )
    check_same_order(pairs, "DIN compares them field by field")
    sequences = [name for pair in pairs for name in pair.sequences]
    if len(set(sequences)) < len(sequences):
        raise StartupRefused("din_sequence_field names a sequence twice, which FuxiCTR cannot run")
    check_no_other_sequences(features, sequences)
    return pairs


def _architecture(options: DinOptions, *, cold_interest: bool) -> DinConfig:
    return DinConfig(
        attention_units=options.attention_hidden_units,
        attention_activation=activation_name(_attention_activation(options)),
        attention_softmax=options.din_use_softmax,
        cold_interest=cold_interest,
        mlp_units=options.dnn_hidden_units,
        mlp_activation=activation_name(tower_activation(options)),
    )


def _attention_activation(options: DinOptions) -> Activation:
    return same_for_all("attention_hidden_activations", options.attention_hidden_activations)


def _read_attention(
    options: DinOptions, pair: int, width: int, state: StateDict
) -> dict[str, Tensor]:
    tower = read_mlp(
        state,
        f"attention_layers.{pair}.attention_layer.mlp",
        (4 * width, *options.attention_hidden_units),
        _attention_activation(options),
        dropout=options.attention_dropout,
    )
    return tower.as_attention("attention.kind")


def _inputs(features: Features, pairs: Sequence[Pair]) -> Iterator[Span]:
    """Slices of a pooled history, all as wide as the model's embedding_dim, replace sequences."""
    width = features.default_dim
    slices = {
        name: Span(Part("interest", index), width, start=position * width)
        for index, pair in enumerate(pairs)
        for position, name in enumerate(pair.sequences)
    }
    for name in features.of_type("categorical", "numeric", "sequence"):
        yield slices.get(name) or Span(Part("feature", name), features.width(name))
