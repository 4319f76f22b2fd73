"""Which model answers a request, and which one answers those that name none."""

import pytest

from app.errors import InvalidRequest, StartupRefused, UnknownModel
from app.registry.served_models import ServedModels, choose_default
from tests.artifacts import publish_tiny_version
from tests.registry.servables import load


@pytest.mark.parametrize(
    ("names", "configured", "expected"),
    [
        pytest.param(["mine"], None, "mine", id="the only one"),
        pytest.param(["demo"], None, "demo", id="the demo alone"),
        pytest.param(["demo", "mine"], None, "mine", id="the demo steps aside"),
        pytest.param(["mine", "yours"], None, None, id="two would be a guess"),
        pytest.param(["demo", "mine", "yours"], None, None, id="two beside the demo"),
        pytest.param(["mine", "yours"], "yours", "yours", id="the configured one"),
        pytest.param(["demo", "mine"], "demo", "demo", id="the demo when it is configured"),
    ],
)
def test_the_default_is_what_is_configured_or_beyond_doubt(names, configured, expected):
    assert choose_default(dict.fromkeys(names, "1"), configured) == expected


def test_an_empty_store_refuses_to_start():
    with pytest.raises(StartupRefused, match=r"CTR_MODEL_STORE.* has no active model"):
        choose_default({}, None)


def test_a_configured_default_that_is_not_served_refuses_to_start():
    with pytest.raises(StartupRefused, match=r"CTR_DEFAULT_MODEL=hers, .* serves: mine, yours$"):
        choose_default({"yours": "1", "mine": "1"}, "hers")


@pytest.fixture(scope="module")
def servables(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("store")
    for seed, name in enumerate(("mine", "yours")):
        publish_tiny_version(root, name, seed=seed)
    return {name: load(root, name) for name in ("mine", "yours")}


def test_a_request_gets_the_model_that_it_names_or_the_default(servables):
    models = ServedModels(servables, default="mine")

    assert models.route("yours") is servables["yours"]
    assert models.route(None) is servables["mine"]


def test_a_model_that_is_not_served_is_unknown(servables):
    models = ServedModels(servables, default="mine")

    with pytest.raises(UnknownModel, match="'hers'"):
        models.route("hers")


def test_without_a_default_a_request_must_choose(servables):
    models = ServedModels(servables, default=None)

    with pytest.raises(InvalidRequest, match="choose one of mine, yours") as refused:
        models.route(None)

    assert [error.field for error in refused.value.errors] == ["model"]


def test_nothing_loaded_is_not_ready(servables):
    assert not ServedModels({}, default=None).is_ready()
    assert ServedModels(servables, default="mine").is_ready()


def test_models_that_are_stopped_are_not_ready(servables):
    models = ServedModels(servables, default="mine")

    models.stop()

    assert not models.is_ready()
