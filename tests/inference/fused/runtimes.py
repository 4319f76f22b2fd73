"""Fused runtimes of small models, and shapes to score with them."""

import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from app.inference.fused.runtime import FusedRuntime, KeptStates
from app.inference.fused.support import why_not_fused
from app.kernels.library import Kernel, load_kernel
from app.models.din.config import DinConfig
from tests.models.builders import FULL_SCHEMA, make_model
from tests.models.configs import CONFIGS, DIEN_CONFIGS

# Wider than a tile of registers in every direction, and by no round number
WIDE = DIEN_CONFIGS["default"].model_copy(
    update={"hidden_size": 37, "attention_units": (21, 13), "mlp_units": (19, 6)}
)
FUSED_CONFIGS = {
    name: config for name, config in CONFIGS.items() if why_not_fused(config) is None
} | {
    "wide": WIDE,
    "wide_official": WIDE.model_copy(update={"augru": "official", "reset_gate": "before"}),
    "multi_head": WIDE.model_copy(
        update={"attention": "multi_head", "attention_heads": 3, "hidden_size": 36}
    ),
    "din_of_each_field": DinConfig(
        field_groups=(("category_id",), ("item_id",)), sum_pooling=True, mlp_units=(7,)
    ),
    "fields_in_another_order": WIDE.model_copy(
        update={"field_groups": (("category_id", "item_id"),)}
    ),
    "aigru_reset_before": WIDE.model_copy(update={"evolution": "aigru", "reset_gate": "before"}),
    "tanh_and_affine_dice": WIDE.model_copy(
        update={"attention_activation": "tanh", "mlp_activation": "affine_dice"}
    ),
}

each_fused_config = pytest.mark.parametrize(
    "config", FUSED_CONFIGS.values(), ids=FUSED_CONFIGS.keys()
)


@st.composite
def shapes(draw):
    """History lengths, and the user of every candidate, in any order."""
    lengths = draw(st.lists(st.integers(0, 12), min_size=1, max_size=4))
    candidates = draw(st.integers(0, 60))
    user = st.integers(0, len(lengths) - 1)
    users = draw(st.lists(user, min_size=candidates, max_size=candidates))
    return lengths, users, draw(st.integers(0, 1_000))


def fused(config, kept: KeptStates | None = None, kernel: Kernel | None = None) -> FusedRuntime:
    return FusedRuntime(make_model(config), config, FULL_SCHEMA, kernel or load_kernel(), kept)


def without_behaviors_after(batch, length: int):
    """The same batch of one user, before what it did later."""
    return replace(
        batch,
        lengths_U=batch.lengths_U.clip(max=length),
        behaviors_NF=batch.behaviors_NF[:length],
        behavior_seconds_N=batch.behavior_seconds_N[:length],
    )
