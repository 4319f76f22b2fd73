"""`config.json` of a FuxiCTR model: its feature map and constructor arguments."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from app.importers.config_file import (
    AttentionUnits,
    EmbeddingDim,
    HiddenUnits,
    Ignorant,
    IgnoringCase,
    MaybeAlone,
    Options,
    without,
)

# Of training, of the data on disk and of logging; the models' code does not read them.
TRAINING_ONLY = frozenset(
    {
        "aux_activation",
        "aux_hidden_units",
        "aux_loss_alpha",
        "batch_size",
        "data_format",
        "data_root",
        "dataset_id",
        "debug_mode",
        "early_stop_patience",
        "embedding_regularizer",
        "epochs",
        "eval_steps",
        "gpu",
        "group_id",
        "learning_rate",
        "loss",
        "metrics",
        "min_categr_count",
        "model",
        "model_id",
        "model_root",
        "monitor",
        "monitor_mode",
        "net_regularizer",
        "num_workers",
        "optimizer",
        "pickle_feature_encoder",
        "reduce_lr_on_plateau",
        "save_best_only",
        "seed",
        "shuffle",
        "test_data",
        "train_data",
        "valid_data",
        "verbose",
    }
)

Activation = (
    Annotated[Literal["relu", "sigmoid", "tanh", "prelu", "dice", "identity"], IgnoringCase] | None
)
# One for all hidden layers, or one for each.
Activations = Annotated[tuple[Activation, ...], MaybeAlone]
DropoutRates = Annotated[tuple[float, ...], MaybeAlone]
Names = Annotated[tuple[str | tuple[str, ...], ...], MaybeAlone]


class FeatureSpec(Ignorant):
    """One feature; what is not here, the library's models do not read either."""

    type: Literal["categorical", "sequence", "numeric", "meta"]
    vocab_size: int = Field(default=0, ge=0)
    embedding_dim: EmbeddingDim | None = None
    max_len: int = Field(default=0, ge=0, le=10_000)
    share_embedding: str | None = None
    feature_encoder: None = None
    pretrained_emb: None = None

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.type in ("categorical", "sequence") and not self.vocab_size:
            raise ValueError(f"a {self.type} feature needs its vocab_size")
        if self.type == "sequence" and not self.max_len:
            raise ValueError("a sequence needs its max_len")
        return self


class FeatureMap(Ignorant):
    """All of them, one to a mapping, in the order in which they are concatenated."""

    features: tuple[Mapping[str, FeatureSpec], ...]

    @property
    def by_name(self) -> dict[str, FeatureSpec]:
        return {name: spec for part in self.features for name, spec in part.items()}


class CommonOptions(Options):
    """Arguments of both models."""

    dnn_hidden_units: HiddenUnits
    embedding_dim: EmbeddingDim
    batch_norm: bool
    task: Literal["binary_classification"] = "binary_classification"
    net_dropout: DropoutRates = (0.0,)
    attention_dropout: DropoutRates = (0.0,)
    dnn_activations: Activations = ("relu",)
    # They change the feature map as it is loaded; here it must be as the model saw it.
    use_features: None = None
    feature_specs: None = None
    feature_config: None = None


class DinOptions(CommonOptions):
    """Arguments of DIN with the library's defaults."""

    dnn_hidden_units: HiddenUnits = (512, 128, 64)
    embedding_dim: EmbeddingDim = 10
    batch_norm: bool = False
    attention_hidden_units: AttentionUnits = (64,)
    attention_hidden_activations: Activations = ("dice",)
    attention_output_activation: None = None
    din_target_field: Names = (("item_id", "cate_id"),)
    din_sequence_field: Names = (("click_history", "cate_history"),)
    din_use_softmax: bool = False


class DienOptions(CommonOptions):
    """Arguments of DIEN with the library's defaults."""

    dnn_hidden_units: HiddenUnits = (200, 80)
    embedding_dim: EmbeddingDim = 16
    batch_norm: bool = True
    # AIGRU multiplies [B, T, M] by [B, T]: it does not run, so that there is nothing to equal.
    gru_type: Literal["GRU", "AGRU", "AUGRU"] = "AUGRU"
    enable_sum_pooling: bool = False
    attention_type: Literal["bilinear_attention", "dot_attention", "din_attention"] = (
        "bilinear_attention"
    )
    attention_hidden_units: AttentionUnits = (80, 40)
    attention_activation: Activations = ("dice",)
    use_attention_softmax: bool = True
    dien_target_field: Names = (("item_id", "cate_id"),)
    dien_sequence_field: Names = (("click_history", "cate_history"),)
    dien_neg_seq_field: Names = (("neg_click_history", "neg_cate_history"),)


class DinFile(Ignorant):
    """A DIN."""

    model: Literal["DIN"]
    feature_map: FeatureMap
    constructor: Annotated[DinOptions, BeforeValidator(without(TRAINING_ONLY))] = DinOptions()


class DienFile(Ignorant):
    """A DIEN."""

    model: Literal["DIEN"]
    feature_map: FeatureMap
    constructor: Annotated[DienOptions, BeforeValidator(without(TRAINING_ONLY))] = DienOptions()


FUXICTR_FILE = TypeAdapter[DinFile | DienFile](
    Annotated[DinFile | DienFile, Field(discriminator="model")]
)


def flattened(names: Names) -> tuple[str, ...]:
    """All names, however they are nested."""
    return tuple(name for part in names for name in ((part,) if isinstance(part, str) else part))
