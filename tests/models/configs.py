"""Architectures to test: one small one of each kind, and what larger tests vary."""

from collections.abc import Sequence
from typing import TypeVar, get_args

import numpy as np
import pytest

from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.models.ensemble.config import EnsembleConfig, EnsembleMember, SingleArchitecture
from app.models.layers.activation import ActivationName

DIEN_CONFIGS = {
    "default": DienConfig(hidden_size=4, attention_units=(6, 3), mlp_units=(7, 5)),
    "paper": DienConfig(
        hidden_size=4, attention="bilinear", query_projection=False, mlp_units=(7, 5)
    ),
    "official": DienConfig(
        hidden_size=4,
        augru="official",
        reset_gate="before",
        attention_units=(6, 3),
        mlp_units=(7, 5),
    ),
    "agru_with_dice_in_attention": DienConfig(
        hidden_size=4,
        evolution="agru",
        attention_units=(6,),
        attention_activation="dice",
        mlp_units=(7,),
        mlp_activation="prelu",
    ),
    "aigru_without_softmax": DienConfig(
        hidden_size=None,
        evolution="aigru",
        attention="dot",
        attention_softmax=False,
        query_projection=False,
        sum_pooling=False,
        mlp_units=(7,),
        mlp_activation="relu",
    ),
    "gru_with_attention_pooling": DienConfig(
        hidden_size=4, evolution="gru", attention_units=(6, 3), mlp_units=()
    ),
    "augru_in_context": DienConfig(
        hidden_size=4,
        attention="multi_head",
        attention_heads=2,
        self_attention_heads=2,
        position_aware=True,
        mlp_units=(7,),
    ),
    "gru_last_state_of_each_field": DienConfig(
        field_groups=(("item_id",), ("category_id",)),
        hidden_size=None,
        evolution="gru_last_state",
        mlp_units=(7,),
    ),
}

DIN_CONFIGS = {
    "din": DinConfig(attention_units=(6, 3), attention_softmax=False, mlp_units=(7, 5)),
    "din_with_softmax_and_cold_interest": DinConfig(
        attention_units=(6,),
        attention_activation="affine_dice",
        attention_softmax=True,
        sum_pooling=True,
        cold_interest=True,
        mlp_units=(7,),
        mlp_activation="prelu",
    ),
    "din_in_context_of_overlapping_fields": DinConfig(
        field_groups=(("category_id", "item_id"), ("item_id",)),
        attention="multi_head",
        attention_heads=2,
        self_attention_heads=2,
        position_aware=True,
        mlp_units=(7,),
    ),
}

DSIN_CONFIGS = {
    "dsin": DsinConfig(session_heads=2, hidden_size=3, mlp_units=(7, 5)),
    "dsin_of_few_sessions_without_softmax": DsinConfig(
        attention="mlp",
        attention_units=(6,),
        attention_softmax=False,
        query_projection=True,
        max_sessions=2,
        max_session_behaviors=2,
        session_heads=1,
        hidden_size=3,
        mlp_units=(7,),
    ),
    "dsin_in_context_of_each_field": DsinConfig(
        field_groups=(("item_id",), ("category_id",)),
        attention="multi_head",
        attention_heads=2,
        self_attention_heads=2,
        position_aware=True,
        session_heads=2,
        hidden_size=2,
        mlp_units=(7,),
    ),
}

# One member of each kind, and between them every layer that there is
ENSEMBLE = EnsembleConfig(
    members=tuple(
        EnsembleMember(weight=weight, architecture=config)
        for weight, config in (
            (0.4, DIEN_CONFIGS["default"]),
            (0.35, DIN_CONFIGS["din_in_context_of_overlapping_fields"]),
            (0.25, DSIN_CONFIGS["dsin_of_few_sessions_without_softmax"]),
        )
    )
)

CONFIGS: dict[str, SingleArchitecture] = {**DIEN_CONFIGS, **DIN_CONFIGS, **DSIN_CONFIGS}

each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
each_dien_config = pytest.mark.parametrize("config", DIEN_CONFIGS.values(), ids=DIEN_CONFIGS.keys())

ACTIVATIONS = get_args(ActivationName)
FIELD_GROUPS = (
    (("item_id", "category_id"),),
    (("category_id", "item_id"),),
    (("item_id",), ("category_id",)),
    (("category_id",), ("item_id", "category_id")),
)

Choice = TypeVar("Choice")


def draw(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    return choices[int(rng.integers(len(choices)))]


def describe(config: SingleArchitecture) -> str:
    """A test's name for it: what is not by default."""
    changed = config.model_dump(exclude_defaults=True)
    return ",".join(f"{name}={_short(setting)}" for name, setting in changed.items())


def _short(setting: object) -> str:
    return "+".join(map(_short, setting)) if isinstance(setting, tuple) else str(setting)
