"""A configuration that cannot mean a model is refused with a message, not discovered in scores."""

import pytest
from pydantic import ValidationError

from app.models.dien.config import DienConfig
from app.models.dien.model import Dien
from tests.models.builders import BARE_SCHEMA, CONFIGS, EMBEDDING, FULL_SCHEMA

each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


@pytest.mark.parametrize("attention", ["mlp", "dot"])
def test_unprojected_queries_of_another_width_are_refused(attention):
    config = DienConfig(hidden_size=36, attention=attention, query_projection=False)

    with pytest.raises(ValueError, match=f"{attention} attention .* hidden_size 36 .* width 5"):
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

    assert model.config == config


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("atention", "mlp", "Extra inputs are not permitted"),
        ("name", "din", "Input should be 'dien'"),
        ("evolution", "lstm", "'augru', 'agru', 'aigru' or 'gru'"),
        ("augru", "both", "'paper' or 'official'"),
        ("reset_gate", "never", "'after' or 'before'"),
        ("attention", "cosine", "'mlp', 'bilinear' or 'dot'"),
        ("attention_activation", "swish", "'dice', 'prelu', 'relu' or 'sigmoid'"),
        ("mlp_activation", None, "'dice', 'prelu', 'relu' or 'sigmoid'"),
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


def test_agru_without_softmax_is_refused_because_its_attention_is_a_gate():
    with pytest.raises(ValidationError, match="agru needs attention_softmax"):
        DienConfig(evolution="agru", attention_softmax=False)


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
