"""A configuration that cannot mean a model is refused with a message, not discovered in scores."""

import pytest
from pydantic import ValidationError

from app.models.dien.config import DienConfig
from app.models.dien.model import Dien
from tests.models.builders import (
    BARE_SCHEMA,
    CONFIGS,
    EMBEDDING,
    FULL_SCHEMA,
    batch_of,
    draw_candidates,
    draw_users,
    score,
)

each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


@pytest.mark.parametrize("attention", ["mlp", "dot"])
def test_unprojected_queries_of_another_width_are_refused(attention):
    config = DienConfig(hidden_size=36, attention=attention, query_projection=False)

    with pytest.raises(ValueError, match=f"{attention} attention .* 36 and 5 differ"):
        Dien(config, BARE_SCHEMA)


@pytest.mark.parametrize(
    "config",
    [
        DienConfig(hidden_size=EMBEDDING, attention="dot", query_projection=False),
        DienConfig(hidden_size=36, attention="bilinear", query_projection=False),
        DienConfig(hidden_size=36, attention="dot", query_projection=True),
    ],
    ids=["equal_widths", "bilinear", "projected"],
)
def test_queries_whose_width_fits_are_not_refused(config):
    model = Dien(config, BARE_SCHEMA)

    users, candidates = draw_users([2], BARE_SCHEMA), draw_candidates([0], BARE_SCHEMA)

    logits_C, _ = score(model, batch_of(users, candidates, BARE_SCHEMA))

    assert logits_C.isfinite().all()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("atention", "mlp", "Extra inputs are not permitted"),
        ("name", "din", "Input should be 'dien'"),
        ("evolution", "lstm", "'augru', 'agru', 'aigru', 'gru' or 'gru_last_state'"),
        ("augru", "both", "'paper' or 'official'"),
        ("reset_gate", "never", "'after' or 'before'"),
        ("attention", "cosine", "'mlp', 'bilinear', 'dot' or 'multi_head'"),
        ("attention_activation", "swish", "'dice', 'affine_dice', 'prelu', 'relu', 'sigmoid', "),
        ("mlp_activation", None, "'dice', 'affine_dice', 'prelu', 'relu', 'sigmoid', "),
        ("hidden_size", 0, "greater than or equal to 1"),
        ("hidden_size", 36.5, "valid integer"),
        ("attention_units", [], "at least 1 item"),
        ("attention_units", [80, 0], "greater than"),
        ("mlp_units", [-200], "greater than"),
        ("auxiliary_units", [0], "greater than"),
        ("embedding_init_std", 0.0, "greater than"),
    ],
)
def test_a_bad_field_is_refused_by_name(field, value, message):
    with pytest.raises(ValidationError, match=message) as refused:
        DienConfig.model_validate({field: value})

    assert refused.value.errors()[0]["loc"][0] == field


@each_config
def test_a_config_survives_its_manifest(config):
    assert DienConfig.model_validate_json(config.model_dump_json()) == config


def test_a_config_cannot_be_changed_under_a_model():
    config = DienConfig()

    with pytest.raises(ValidationError, match="frozen"):
        config.hidden_size = 8


@each_config
def test_weights_fit_only_the_architecture_they_were_saved_from(config):
    weights = Dien(config, FULL_SCHEMA).state_dict()
    wider = config.model_copy(update={"hidden_size": 9, "query_projection": True})

    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key"):
        Dien(wider, FULL_SCHEMA).load_state_dict(weights)
