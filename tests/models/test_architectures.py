"""A configuration that cannot mean a model is refused with a message, not discovered in scores."""

from itertools import permutations

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.models.factory import Architecture, build_model
from tests.models.builders import (
    BARE_SCHEMA,
    EMBEDDING,
    FULL_SCHEMA,
    batch_of,
    draw_candidates,
    draw_users,
    score,
)
from tests.models.configs import CONFIGS, each_config

ANY = TypeAdapter[Architecture](Architecture)
DIEN, DIN, DSIN = DienConfig(), DinConfig(), DsinConfig()

each_name = pytest.mark.parametrize("name", ["dien", "din", "dsin"])


def refusal_of(fields: dict[str, object]) -> tuple[str, str]:
    """The first field that is refused, and why."""
    with pytest.raises(ValidationError) as refused:
        ANY.validate_python(fields)
    error = refused.value.errors()[0]
    return ".".join(str(part) for part in error["loc"]), error["msg"]


@each_name
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("atention", "mlp", "Extra inputs are not permitted"),
        ("attention", "cosine", "'mlp', 'bilinear', 'dot' or 'multi_head'"),
        ("attention_activation", "swish", "'dice', 'affine_dice', 'prelu', 'relu', 'sigmoid', "),
        ("mlp_activation", None, "'dice', 'affine_dice', 'prelu', 'relu', 'sigmoid', "),
        ("attention_units", [], "at least 1 item"),
        ("attention_units", [80, 0], "greater than"),
        ("attention_heads", 0, "greater than"),
        ("self_attention_heads", -1, "greater than"),
        ("mlp_units", [-200], "greater than"),
        ("field_groups", [], "at least 1 item"),
        ("field_groups", [["item_id"], []], "at least 1 item"),
        ("embedding_init_std", 0.0, "greater than"),
        ("embedding_init_std", float("nan"), "finite number"),
    ],
)
def test_a_bad_field_of_any_architecture_is_refused_by_name(name, field, value, message):
    where, reason = refusal_of({"name": name, field: value})

    assert where.startswith(f"{name}.{field}")
    assert message in reason


@pytest.mark.parametrize(
    ("name", "field", "value", "message"),
    [
        ("dien", "evolution", "lstm", "'augru', 'agru', 'aigru', 'gru' or 'gru_last_state'"),
        ("dien", "augru", "both", "'paper' or 'official'"),
        ("dien", "reset_gate", "never", "'after' or 'before'"),
        ("dien", "hidden_size", 0, "greater than or equal to 1"),
        ("dien", "hidden_size", 36.5, "valid integer"),
        ("dien", "auxiliary_units", [0], "greater than"),
        ("dien", "cold_interest", True, "Extra inputs are not permitted"),
        ("din", "cold_interest", "maybe", "valid boolean"),
        ("din", "hidden_size", 36, "Extra inputs are not permitted"),
        ("din", "evolution", "augru", "Extra inputs are not permitted"),
        ("dsin", "session_gap_s", 0, "greater than or equal to 1"),
        ("dsin", "max_sessions", 0, "greater than or equal to 1"),
        ("dsin", "max_session_behaviors", 1001, "less than or equal to 1000"),
        ("dsin", "session_heads", 0, "greater than or equal to 1"),
        ("dsin", "hidden_size", None, "valid integer"),
        ("dsin", "sum_pooling", True, "Extra inputs are not permitted"),
    ],
)
def test_a_bad_field_of_one_architecture_is_refused_by_name(name, field, value, message):
    where, reason = refusal_of({"name": name, field: value})

    assert where.startswith(f"{name}.{field}")
    assert message in reason


@pytest.mark.parametrize("fields", [{}, {"name": "bst"}, {"name": None}])
def test_an_architecture_without_a_known_name_is_refused(fields):
    _, reason = refusal_of(fields)

    assert "'name'" in reason


@each_config
def test_an_architecture_survives_its_manifest(config):
    read = ANY.validate_json(config.model_dump_json())

    assert type(read) is type(config)
    assert read == config


@pytest.mark.parametrize("config", [DIEN, DIN, DSIN], ids=["dien", "din", "dsin"])
def test_an_architecture_cannot_be_changed_under_a_model(config):
    with pytest.raises(ValidationError, match="frozen"):
        config.mlp_units = (8,)


@pytest.mark.parametrize(("saved", "loaded"), list(permutations(["default", "din", "dsin"], 2)))
def test_weights_do_not_fit_another_architecture(saved, loaded):
    weights = build_model(CONFIGS[saved], FULL_SCHEMA).state_dict()
    model = build_model(CONFIGS[loaded], FULL_SCHEMA)

    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key"):
        model.load_state_dict(weights)


@each_config
def test_weights_fit_only_the_widths_they_were_saved_with(config):
    weights = build_model(config, FULL_SCHEMA).state_dict()
    wider = build_model(config.model_copy(update={"mlp_units": (9,)}), FULL_SCHEMA)

    build_model(config, FULL_SCHEMA).load_state_dict(weights)
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key"):
        wider.load_state_dict(weights)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            DienConfig(attention="multi_head", hidden_size=9),
            "a width of 9 cannot be divided among 4 attention heads",
        ),
        (
            DienConfig(self_attention_heads=2, hidden_size=9),
            "a width of 9 cannot be divided among 2 attention heads",
        ),
        (
            DinConfig(attention="multi_head"),
            f"a width of {EMBEDDING} cannot be divided among 4 attention heads",
        ),
        (
            DinConfig(self_attention_heads=4, field_groups=(("item_id",), ("category_id",))),
            "a width of 2 cannot be divided among 4 attention heads",
        ),
        (DsinConfig(), f"a width of {EMBEDDING} cannot be divided among 4 attention heads"),
        (
            DsinConfig(session_heads=2, attention="multi_head", attention_heads=3, hidden_size=4),
            "a width of 8 cannot be divided among 3 attention heads",
        ),
        *(
            (
                DienConfig(hidden_size=36, attention=attention, query_projection=False),
                f"{attention} attention .* 36 and {EMBEDDING} differ",
            )
            for attention in ("mlp", "dot")
        ),
        *(
            (
                DsinConfig(session_heads=2, hidden_size=4, attention=attention),
                f"{attention} attention .* 8 and {EMBEDDING} differ",
            )
            for attention in ("mlp", "dot")
        ),
        *(
            (
                config.model_copy(update={"field_groups": (("item_id",), ("brand", "item_id"))}),
                "a group names brand; behaviors have item_id, category_id",
            )
            for config in (DIEN, DIN, DSIN)
        ),
    ],
)
def test_what_does_not_fit_the_features_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        build_model(config, BARE_SCHEMA)


@pytest.mark.parametrize(
    "config",
    [
        DienConfig(hidden_size=EMBEDDING, attention="dot", query_projection=False),
        DienConfig(hidden_size=None, attention="mlp", query_projection=False),
        DienConfig(hidden_size=36, attention="bilinear", query_projection=False),
        DienConfig(hidden_size=36, attention="dot", query_projection=True),
        DinConfig(attention="dot"),
        DsinConfig(session_heads=2, hidden_size=EMBEDDING // 2, attention="dot"),
        DsinConfig(session_heads=2, attention="bilinear"),
        DsinConfig(session_heads=2, attention="mlp", query_projection=True),
    ],
)
def test_queries_whose_width_fits_are_not_refused(config):
    model = build_model(config, BARE_SCHEMA)
    batch = batch_of(draw_users([2], BARE_SCHEMA), draw_candidates([0], BARE_SCHEMA), BARE_SCHEMA)

    with torch.inference_mode():
        logits_C, _ = score(model, batch)

    assert logits_C.isfinite().all()
