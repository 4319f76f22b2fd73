"""`config.json` of a DeepCTR-Torch model: its feature columns and constructor arguments."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from app.importers.config_file import (
    AttentionUnits,
    EmbeddingDim,
    HiddenUnits,
    Ignorant,
    IgnoringCase,
    Options,
    without,
)

TRAINING_ONLY = frozenset(
    {"l2_reg_dnn", "l2_reg_embedding", "dnn_dropout", "init_std", "seed", "device", "gpus", "alpha"}
)
HISTORY_PREFIX = "hist_"
# Ids travel through float32, which knows no odd numbers beyond.
LARGEST_VOCABULARY = 2**24

VocabularySize = Annotated[int, Field(ge=1, le=LARGEST_VOCABULARY)]
Name = Annotated[str, Field(min_length=1)]
# Dice asserts three dimensions, so that the library's last tower cannot have it.
TowerActivation = Annotated[Literal["relu", "sigmoid", "linear", "prelu"], IgnoringCase]
AttentionActivation = Annotated[Literal["relu", "sigmoid", "linear", "prelu", "dice"], IgnoringCase]


class EmbeddedColumn(Options):
    """What sparse and sequence columns have in common."""

    name: Name
    vocabulary_size: VocabularySize
    embedding_dim: EmbeddingDim = 4
    embedding_name: Name | None = None
    group_name: str = "default_group"
    use_hash: Literal[False] = False
    dtype: str = "int32"

    @property
    def table(self) -> str:
        """Columns of the same table share their embeddings."""
        return self.embedding_name or self.name


class SparseColumn(EmbeddedColumn):
    """A SparseFeat."""

    kind: Literal["sparse"]


class SequenceColumn(EmbeddedColumn):
    """A VarLenSparseFeat."""

    kind: Literal["varlen"]
    maxlen: int = Field(ge=1, le=10_000)
    length_name: Name | None = None
    combiner: str = "mean"


class DenseColumn(Options):
    """A DenseFeat."""

    kind: Literal["dense"]
    name: Name
    dimension: int = Field(default=1, ge=1, le=1024)
    dtype: str = "float32"


Column = Annotated[SparseColumn | SequenceColumn | DenseColumn, Field(discriminator="kind")]


class DinOptions(Options):
    """Arguments of DIN with the library's defaults."""

    dnn_use_bn: bool = False
    dnn_hidden_units: Annotated[HiddenUnits, Field(min_length=1)] = (256, 128)
    dnn_activation: TowerActivation = "relu"
    att_hidden_size: AttentionUnits = (64, 16)
    att_activation: AttentionActivation = "dice"
    att_weight_normalization: bool = False
    task: Literal["binary"] = "binary"


class DienOptions(Options):
    """Arguments of DIEN with the library's defaults."""

    gru_type: Literal["GRU", "AIGRU", "AGRU", "AUGRU"] = "GRU"
    use_negsampling: bool = False
    use_bn: bool = False
    dnn_hidden_units: Annotated[HiddenUnits, Field(min_length=1)] = (256, 128)
    dnn_activation: TowerActivation = "relu"
    att_hidden_units: AttentionUnits = (64, 16)
    att_activation: AttentionActivation = "relu"
    att_weight_normalization: bool = True
    task: Literal["binary"] = "binary"


ColumnKind = TypeVar("ColumnKind", SparseColumn, SequenceColumn, DenseColumn)


class ModelFile(Ignorant):
    """What is known of any model."""

    feature_columns: tuple[Column, ...]
    history_feature_list: tuple[Name, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [column.name for column in self.feature_columns]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"the column {twice[0]} is there twice")
        return self

    def columns(self, kind: type[ColumnKind]) -> Sequence[ColumnKind]:
        """Those of a kind, in the order of the file."""
        return [column for column in self.feature_columns if isinstance(column, kind)]


class DinFile(ModelFile):
    """A DIN."""

    model: Literal["DIN"]
    constructor: Annotated[DinOptions, BeforeValidator(without(TRAINING_ONLY))] = DinOptions()


class DienFile(ModelFile):
    """A DIEN."""

    model: Literal["DIEN"]
    constructor: Annotated[DienOptions, BeforeValidator(without(TRAINING_ONLY))] = DienOptions()


DEEPCTR_FILE = TypeAdapter[DinFile | DienFile](
    Annotated[DinFile | DienFile, Field(discriminator="model")]
)
