"""Smoothed CTRs: few impressions say little, many say all, and the data says how many are many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.schema import FIRST_ID_ROW, OOV_ROW, FeatureSchema, SparseField
from app.training.candidate_counts import CandidateCounts
from app.training.priors import Children, fit_strength, learn_priors, smooth
from tests.training.planted_world import PlantedWorld

FEW, MANY, UNSHOWN = FIRST_ID_ROW, FIRST_ID_ROW + 1, FIRST_ID_ROW + 2


def schema_of(*rows: int) -> FeatureSchema:
    names = ("item_id", "category_id")
    fields = [
        SparseField(name=name, embedding_dim=2, rows=count)
        for name, count in zip(names, rows, strict=False)
    ]
    return FeatureSchema(behavior_fields=tuple(fields))


def children(clicks: object, impressions: object, parent_ctr: float) -> Children:
    """Rows after padding and OOV, which hold what must not count."""
    special = np.full(FIRST_ID_ROW, 1e6)
    clicks_V = np.concatenate([special, np.array(clicks, np.float64)])
    impressions_V = np.concatenate([special, np.array(impressions, np.float64)])
    return Children(clicks_V, impressions_V, np.full(len(clicks_V), parent_ctr))


def test_the_posterior_mean_is_that_of_the_beta_binomial() -> None:
    rates = smooth(children([1, 1_000, 0], [2, 2_000, 0], 0.1), strength=10.0)

    ctr_V = rates.own_V + rates.parent_share_V * 0.1
    assert ctr_V[FEW] == pytest.approx((1 + 10 * 0.1) / (2 + 10))
    assert ctr_V[MANY] == pytest.approx((1_000 + 10 * 0.1) / (2_000 + 10))
    assert ctr_V[UNSHOWN] == pytest.approx(0.1)
    assert (rates.own_V[OOV_ROW], rates.parent_share_V[OOV_ROW]) == (0, 1)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1),
    st.floats(0.01, 0.99),
    st.floats(0.1, 1e6),
)
def test_a_smoothed_ctr_lies_between_its_own_and_its_parents(counts, parent_ctr, strength):
    clicks, others = np.array(counts).T
    one = children(clicks, clicks + others, parent_ctr)

    rates = smooth(one, strength)

    shown = np.flatnonzero(one.impressions_V[FIRST_ID_ROW:]) + FIRST_ID_ROW
    raw = one.clicks_V[shown] / one.impressions_V[shown]
    ctr = rates.own_V[shown] + rates.parent_share_V[shown] * parent_ctr
    assert (ctr >= np.minimum(raw, parent_ctr) - 1e-6).all()
    assert (ctr <= np.maximum(raw, parent_ctr) + 1e-6).all()


@pytest.mark.parametrize("strength", [2.0, 20.0, 200.0])
def test_the_strength_is_found_that_the_clicks_were_drawn_with(strength: float) -> None:
    rng = np.random.default_rng(5)
    impressions = rng.integers(1, 2_000, 5_000)
    ctr = rng.beta(strength * 0.2, strength * 0.8, len(impressions))
    clicks = rng.binomial(impressions, ctr)

    assert fit_strength(children(clicks, impressions, 0.2)) == pytest.approx(strength, rel=0.1)


def test_children_that_all_click_like_their_parent_are_told_apart_by_nothing() -> None:
    impressions = np.full(1_000, 50)
    clicks = np.random.default_rng(5).binomial(impressions, 0.2)

    assert fit_strength(children(clicks, impressions, 0.2)) > 500


def test_items_are_smoothed_towards_their_category_and_categories_towards_the_mean() -> None:
    rng = np.random.default_rng(5)
    categories, items, shown = 40, 2_000, 100
    category_I = rng.integers(FIRST_ID_ROW, FIRST_ID_ROW + categories, items)
    ctr_K = np.concatenate([np.zeros(FIRST_ID_ROW), rng.beta(4, 16, categories)])
    ctr_I = rng.beta(30 * ctr_K[category_I], 30 * (1 - ctr_K[category_I]))
    impressions_I = rng.integers(0, shown, items)
    clicks_I = rng.binomial(impressions_I, ctr_I)
    item_rows = np.arange(FIRST_ID_ROW, FIRST_ID_ROW + items)
    counts = CandidateCounts(
        np.stack([item_rows, category_I], axis=1), clicks_I, impressions_I - clicks_I
    )
    mean_ctr = clicks_I.sum() / impressions_I.sum()

    schema = schema_of(FIRST_ID_ROW + items, FIRST_ID_ROW + categories)
    priors = learn_priors(counts, schema, mean_ctr=mean_ctr, negatives_kept=1.0)

    def error(guess_I: np.ndarray) -> float:
        return float(np.mean((guess_I - ctr_I) ** 2))

    learned_I = priors.ctr_of(counts.rows_GF)
    of_category_I = priors.ctr_of(np.stack([np.full(items, OOV_ROW), category_I], axis=1))
    raw_I = np.divide(
        clicks_I, impressions_I, out=np.full(items, mean_ctr), where=impressions_I > 0
    )
    assert error(learned_I) < 0.7 * min(error(of_category_I), error(raw_I))
    assert error(of_category_I) < 0.7 * error(np.full(items, mean_ctr))


def test_negatives_that_were_left_out_are_restored() -> None:
    counts = CandidateCounts(np.array([[2], [3]]), np.array([500, 100]), np.array([250, 450]))

    kept_all = CandidateCounts(counts.rows_GF, counts.clicks_G, counts.others_G * 2)

    sampled = learn_priors(counts, schema_of(4), mean_ctr=0.3, negatives_kept=0.5)
    whole = learn_priors(kept_all, schema_of(4), mean_ctr=0.3, negatives_kept=1.0)
    np.testing.assert_allclose(sampled.ctr_of(counts.rows_GF), whole.ctr_of(counts.rows_GF))


def test_the_priors_of_training_predict_as_many_clicks_as_there_were(world: PlantedWorld) -> None:
    split = world.split("train")
    counts = split.counts
    mean_ctr = counts.clicks / counts.rows

    priors = learn_priors(
        counts.candidates, world.features.schema, mean_ctr=mean_ctr, negatives_kept=1.0
    )

    predicted = priors.ctr_of(world.splits["train"].batch.candidates_CF).sum()
    assert predicted == pytest.approx(counts.clicks, rel=0.01)
