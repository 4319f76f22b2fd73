"""Priors: an ad's CTR without the model, from a file that is checked like all of a version."""

import numpy as np
import pytest
from safetensors.numpy import save

from app.core.schema import OOV_ROW, FeatureSchema, SparseField
from app.registry.model_store import PRIORS, ModelStore
from app.registry.priors import Priors, SmoothedRates, rates_from_bytes, rates_to_bytes
from tests.artifacts import TINY_RATES, publish_tiny_version
from tests.registry.versions import refusal, replace_file

SCHEMA = FeatureSchema(
    behavior_fields=(
        SparseField(name="item_id", embedding_dim=2, rows=4),
        SparseField(name="category_id", embedding_dim=2, rows=3),
    )
)
ITEMS = SmoothedRates(np.array([0, 0, 0.25, 0], np.float32), np.array([1, 1, 0.5, 1], np.float32))
CATEGORIES = SmoothedRates(np.array([0, 0, 0.375], np.float32), np.array([1, 1, 0.25], np.float32))
PRIOR = Priors(0.125, (ITEMS, CATEGORIES))
SHOWN_ITEM, UNSHOWN_ITEM, CATEGORY = 2, 3, 2
OF_CATEGORY = 0.375 + 0.25 * 0.125


def tensors(**changes):
    table = {
        "item_id.own": ITEMS.own_V,
        "item_id.parent_share": ITEMS.parent_share_V,
        "category_id.own": CATEGORIES.own_V,
        "category_id.parent_share": CATEGORIES.parent_share_V,
    }
    renamed = {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in (table | renamed).items() if value is not None}


@pytest.mark.parametrize(
    ("item", "category", "ctr"),
    [
        pytest.param(SHOWN_ITEM, CATEGORY, 0.25 + 0.5 * OF_CATEGORY, id="an item that was shown"),
        pytest.param(UNSHOWN_ITEM, CATEGORY, OF_CATEGORY, id="one that was not: its category's"),
        pytest.param(OOV_ROW, CATEGORY, OF_CATEGORY, id="an unknown one: its category's"),
        pytest.param(SHOWN_ITEM, OOV_ROW, 0.25 + 0.5 * 0.125, id="in an unknown category"),
        pytest.param(OOV_ROW, OOV_ROW, 0.125, id="nothing is known: the mean"),
    ],
)
def test_what_is_not_known_of_an_ad_is_taken_from_what_it_belongs_to(item, category, ctr):
    (prior,) = PRIOR.ctr_of(np.array([[item, category]]))

    assert prior == pytest.approx(ctr)


def test_models_of_items_alone_smooth_towards_the_mean():
    (prior,) = Priors(0.125, (ITEMS,)).ctr_of(np.array([[SHOWN_ITEM]]))

    assert prior == pytest.approx(0.25 + 0.5 * 0.125)


def test_without_rates_everything_has_the_mean():
    np.testing.assert_array_equal(Priors(0.125).ctr_of(np.array([[2, 2], [1, 1]])), 0.125)


def test_rates_survive_their_file():
    read = rates_from_bytes(rates_to_bytes((ITEMS, CATEGORIES), SCHEMA), SCHEMA)

    for ours, theirs in zip((ITEMS, CATEGORIES), read, strict=True):
        np.testing.assert_array_equal(ours.own_V, theirs.own_V)
        np.testing.assert_array_equal(ours.parent_share_V, theirs.parent_share_V)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no safetensors", "not a table of priors"),
        (save(tensors(category_id__own=None)), "it needs"),
        (save(tensors(surprise=np.zeros(3, np.float32))), "it needs"),
        (save(tensors(item_id__own=np.zeros(5, np.float32))), "item_id are not 4 numbers"),
        (save(tensors(item_id__own=np.zeros(4))), "not 4 numbers in single precision"),
        (save(tensors(item_id__own=np.full(4, np.nan, np.float32))), "not shares of one"),
        (save(tensors(item_id__own=np.full(4, -0.1, np.float32))), "not shares of one"),
        (save(tensors(item_id__own=np.full(4, 0.6, np.float32))), "not shares of one"),
    ],
)
def test_a_file_that_holds_anything_else_is_refused(content, reason):
    with pytest.raises(ValueError, match=reason):
        rates_from_bytes(content, SCHEMA)


def test_a_version_has_the_rates_that_it_was_published_with(tmp_path):
    publish_tiny_version(tmp_path, rates=TINY_RATES)

    priors = ModelStore(tmp_path).load("tiny", "1").priors

    assert priors.mean_ctr == 0.1
    np.testing.assert_array_equal(priors.rates[0].own_V, TINY_RATES[0].own_V)


def test_a_version_without_the_file_has_the_mean(tmp_path):
    publish_tiny_version(tmp_path)

    assert ModelStore(tmp_path).load("tiny", "1").priors == Priors(0.1, ())


def test_a_version_with_priors_of_another_size_is_refused(tmp_path):
    publish_tiny_version(tmp_path, rates=TINY_RATES)
    store = ModelStore(tmp_path)
    folder = store.folder("tiny", "1")
    replace_file(folder, PRIORS, rates_to_bytes((ITEMS, CATEGORIES), SCHEMA))

    message = refusal(lambda: store.load("tiny", "1"))

    assert message.startswith(f"{folder / PRIORS}: the priors of item_id are not 52 numbers")
