"""From the checkpoint of a DeepCTR-Torch DIN or DIEN to what it comes down to."""

from torch import Tensor

from app.importers.checkpoint import CONFIG, Checkpoint
from app.importers.columns import Part, Span, positions, width_of
from app.importers.config_file import parse_config
from app.importers.deepctr_torch.config import (
    DEEPCTR_FILE,
    DenseColumn,
    DienFile,
    DienOptions,
    DinFile,
    DinOptions,
    ModelFile,
    SequenceColumn,
    SparseColumn,
)
from app.importers.deepctr_torch.features import (
    HistoryColumns,
    check_every_sequence_is_history,
    check_same_order,
    history_columns,
    in_groups,
    table_shapes,
)
from app.importers.deepctr_torch.weights import (
    ACTIVATION_NAMES,
    EVOLUTIONS,
    read_attention,
    read_recurrences,
    read_tower,
)
from app.importers.interests import dien_of_checkpoint, padding_of, untrained_auxiliary
from app.importers.source_model import (
    CategoricalFeature,
    Network,
    NumericFeature,
    SourceModel,
)
from app.importers.state_dict import StateDict
from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig

LIBRARY = "deepctr-torch"
# There is no index for ids that are not known; padding has this one, and real ids follow it.
OOV_INDEX = 0


def read_deepctr(checkpoint: Checkpoint) -> SourceModel:
    """Raises StartupRefused for a checkpoint that is damaged or cannot be represented."""
    file = parse_config(checkpoint.folder / CONFIG, checkpoint.config, DEEPCTR_FILE)
    history, state = history_columns(file), checkpoint.state
    match file:
        case DinFile():
            network = _read_din(file, history, state)
        case DienFile():
            network = _read_dien(file, history, state)
    source = SourceModel(
        library=LIBRARY,
        categorical=_read_tables(file, state),
        numeric=tuple(
            NumericFeature(column.name, column.dimension) for column in file.columns(DenseColumn)
        ),
        network=network,
        first_columns=network.first_columns(),
    )
    state.check_all_used()
    return source


def _read_din(file: DinFile, history: HistoryColumns, state: StateDict) -> Network:
    check_every_sequence_is_history(file, history)
    check_same_order(history)
    options = file.constructor
    interest = read_attention(
        state, "attention", history.width, options.att_hidden_size, options.att_activation
    )
    if options.att_weight_normalization:
        tables = [_table(file, column, state) for column in history.query]
        interest["cold_interest_E"] = padding_of(tables)
    inputs = [*_features(file), Span(Part("interest", 0), history.width), *_numbers(file)]
    return Network(
        architecture=_din_config(options),
        groups=(history.query_order,),
        max_behaviors=history.max_length,
        interests=(interest,),
        tower=read_tower(state, width_of(inputs), options, "dnn_linear"),
        inputs=inputs,
    )


def _read_dien(file: DienFile, history: HistoryColumns, state: StateDict) -> Network:
    options, width = file.constructor, history.width
    key_positions = positions(history.key_widths, history.query_order)
    attention = "interest_evolution.attention"
    units, activation = options.att_hidden_units, options.att_activation
    interest = {
        **read_attention(state, attention, width, units, activation),
        **read_recurrences(state, width, options.gru_type, key_positions),
        **untrained_auxiliary(width),
    }
    # Tables of sequences that DIEN reads for its auxiliary loss alone, or not at all.
    state.ignore(*(f"embedding_dict.{column.table}." for column in file.columns(SequenceColumn)))
    state.ignore("interest_extractor.auxiliary_net.")
    inputs = [Span(Part("interest", 0), width), *_features(file), *_numbers(file)]
    return Network(
        architecture=_dien_config(options),
        groups=(history.query_order,),
        max_behaviors=history.max_length,
        interests=(interest,),
        tower=read_tower(state, width_of(inputs), options, "linear"),
        inputs=inputs,
    )


def _din_config(options: DinOptions) -> DinConfig:
    return DinConfig(
        attention_units=options.att_hidden_size,
        attention_activation=ACTIVATION_NAMES[options.att_activation],
        attention_softmax=options.att_weight_normalization,
        cold_interest=options.att_weight_normalization,
        mlp_units=options.dnn_hidden_units,
        mlp_activation=ACTIVATION_NAMES[options.dnn_activation],
    )


def _dien_config(options: DienOptions) -> DienConfig:
    return dien_of_checkpoint(
        evolution=EVOLUTIONS[options.gru_type],
        attention_units=options.att_hidden_units,
        attention_activation=ACTIVATION_NAMES[options.att_activation],
        attention_softmax=options.att_weight_normalization,
        mlp_units=options.dnn_hidden_units,
        mlp_activation=ACTIVATION_NAMES[options.dnn_activation],
    )


def _read_tables(file: ModelFile, state: StateDict) -> tuple[CategoricalFeature, ...]:
    return tuple(
        CategoricalFeature(column.name, _table(file, column, state), OOV_INDEX)
        for column in file.columns(SparseColumn)
    )


def _table(file: ModelFile, column: SparseColumn, state: StateDict) -> Tensor:
    shape = table_shapes(file)[column.table]
    return state.take_table(f"embedding_dict.{column.table}.weight", *shape)


def _features(file: ModelFile) -> list[Span]:
    columns = in_groups(file.columns(SparseColumn))
    return [Span(Part("feature", column.name), column.embedding_dim) for column in columns]


def _numbers(file: ModelFile) -> list[Span]:
    columns = file.columns(DenseColumn)
    return [Span(Part("feature", column.name), column.dimension) for column in columns]
