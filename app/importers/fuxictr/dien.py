"""FuxiCTR's DIEN: what evolved from each history comes before all other features."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from app.errors import StartupRefused
from app.importers.columns import Part, Span, positions, width_of
from app.importers.fuxictr.config import Activation, DienOptions, flattened
from app.importers.fuxictr.features import (
    TABLES,
    Features,
    Pair,
    check_no_other_sequences,
    check_same_order,
    read_pairs,
)
from app.importers.fuxictr.weights import (
    activation_name,
    read_evolution,
    read_extractor,
    read_mlp,
    read_tower,
    same_for_all,
    tower_activation,
)
from app.importers.interests import dien_of_checkpoint, untrained_auxiliary
from app.importers.source_model import Network, Tensors
from app.importers.state_dict import StateDict
from app.models.dien.config import DienConfig
from app.models.layers.attention_config import AttentionName
from app.models.layers.recurrence import Evolution

EVOLUTIONS: Mapping[str, Evolution] = {"GRU": "gru_last_state", "AGRU": "agru", "AUGRU": "augru"}
ATTENTIONS: Mapping[str, AttentionName] = {
    "bilinear_attention": "bilinear",
    "dot_attention": "dot",
    "din_attention": "mlp",
}


def read_dien(options: DienOptions, features: Features, state: StateDict) -> Network:
    """Raises StartupRefused for what the library or this service cannot do."""
    pairs = _pairs(options, features, state)
    # Negatives are read by the auxiliary loss alone.
    negatives = flattened(options.dien_neg_seq_field)
    state.ignore("aux_net.", *(f"{TABLES}.{name}." for name in negatives))
    inputs = list(_inputs(options, features, pairs))
    return Network(
        architecture=_architecture(options),
        groups=tuple(pair.targets for pair in pairs),
        max_behaviors=features.max_length(pairs),
        interests=tuple(
            _read_interest(options, index, features, pair, state)
            for index, pair in enumerate(pairs)
        ),
        tower=read_tower(state, width_of(inputs), options),
        inputs=inputs,
    )


def _pairs(options: DienOptions, features: Features, state: StateDict) -> tuple[Pair, ...]:
    pairs = read_pairs(
        features,
        state,
        options.dien_target_field,
        options.dien_sequence_field,
        modules=state.numbered_below("extraction_modules"),
    )
    sequences = [name for pair in pairs for name in pair.sequences]
    check_no_other_sequences(features, [*sequences, *flattened(options.dien_neg_seq_field)])
    if options.enable_sum_pooling:
        check_same_order(pairs, "enable_sum_pooling multiplies them field by field")
        _check_padding_adds_nothing(features, pairs, state)
    return pairs


def _architecture(options: DienOptions) -> DienConfig:
    return dien_of_checkpoint(
        evolution=EVOLUTIONS[options.gru_type],
        attention=ATTENTIONS[options.attention_type],
        attention_units=options.attention_hidden_units,
        attention_activation=activation_name(_attention_activation(options)),
        attention_softmax=options.use_attention_softmax,
        sum_pooling=options.enable_sum_pooling,
        mlp_units=options.dnn_hidden_units,
        mlp_activation=activation_name(tower_activation(options)),
    )


def _attention_activation(options: DienOptions) -> Activation:
    return same_for_all("attention_activation", options.attention_activation)


def _read_interest(
    options: DienOptions, index: int, features: Features, pair: Pair, state: StateDict
) -> Tensors:
    width = features.pair_width(pair)
    key_widths = [(name, features.width(name)) for name in pair.key_order]
    return {
        **read_extractor(state, index, width, positions(key_widths, pair.targets)),
        **read_evolution(state, index, width, options.gru_type),
        **_read_attention(options, index, width, state),
        **untrained_auxiliary(width),
    }


def _read_attention(
    options: DienOptions, index: int, width: int, state: StateDict
) -> Mapping[str, Tensor]:
    module = f"attention_modules.{index}"
    if options.gru_type == "GRU" or options.attention_type == "dot_attention":
        return {}
    if options.attention_type == "bilinear_attention":
        return {"attention.kind.weight_HQ": state.take(f"{module}.W_kernel", width, width)}
    tower = read_mlp(
        state,
        f"{module}.attn_mlp.mlp",
        (4 * width, *options.attention_hidden_units),
        _attention_activation(options),
        dropout=options.attention_dropout,
    )
    return tower.as_attention("attention.kind")


def _inputs(options: DienOptions, features: Features, pairs: Sequence[Pair]) -> Iterator[Span]:
    for index, pair in enumerate(pairs):
        width = features.pair_width(pair)
        yield Span(Part("interest", index), width)
        if options.enable_sum_pooling:
            yield Span(Part("sum", index), width)
            yield Span(Part("product", index), width)
    for name in features.of_type("categorical", "numeric"):
        yield Span(Part("feature", name), features.width(name))


def _check_padding_adds_nothing(
    features: Features, pairs: Sequence[Pair], state: StateDict
) -> None:
    for pair in pairs:
        if features.padding(state, pair).any():
            raise StartupRefused(
                f"enable_sum_pooling adds row 0 of {', '.join(pair.targets)} for every step of "
                "padding, and it is not zero"
            )
