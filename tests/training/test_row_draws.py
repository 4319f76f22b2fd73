"""How often each item becomes a negative, by the kind that was asked for."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.schema import OOV_ROW
from app.training.negatives import NegativeSampler
from app.training.options import NegativeOptions, Negatives

DRAWS = 60_000
# item and category rows: item 2 is half of category 5's, item 8 is all of category 9
POOL = np.array([(2, 5)] * 4 + [(3, 5)] * 3 + [(4, 5)] + [(6, 7)] * 2 + [(7, 7)] + [(8, 9)] * 5)
UNSEEN = (99, 98)


def shares(positive: tuple[int, int], options: NegativeOptions, pool: np.ndarray = POOL) -> dict:
    """Of each item among the negatives of one positive."""
    positives_NF = np.tile(np.array(positive), (DRAWS, 1))
    drawn = NegativeSampler(pool, options).draw(positives_NF, np.random.default_rng(5))
    return {item: count / DRAWS for item, count in Counter(drawn[:, 0].tolist()).items()}


def expected(weights: dict[int, float]) -> dict[int, object]:
    total = sum(weights.values())
    return {item: pytest.approx(weight / total, abs=0.01) for item, weight in weights.items()}


def test_random_negatives_are_any_item_alike() -> None:
    assert shares(UNSEEN, NegativeOptions("random")) == expected(
        dict.fromkeys((2, 3, 4, 6, 7, 8), 1)
    )


def test_unknown_items_together_are_no_random_negative() -> None:
    pool = np.concatenate([POOL[:8], [(OOV_ROW, 5)] * 20])

    assert shares(UNSEEN, NegativeOptions("random"), pool) == expected({2: 1, 3: 1, 4: 1})


def test_where_every_item_is_unknown_nothing_else_is_drawn() -> None:
    pool = np.array([(OOV_ROW, 5)] * 2)

    assert shares(UNSEEN, NegativeOptions("random"), pool) == {OOV_ROW: 1.0}


@pytest.mark.parametrize("exponent", [0.0, 0.75, 1.0, 2.0])
def test_popular_negatives_follow_a_power_of_their_count(exponent: float) -> None:
    counts = {2: 4, 3: 3, 4: 1, 6: 2, 7: 1, 8: 5}
    options = NegativeOptions("popularity", popularity_exponent=exponent)

    drawn = shares(UNSEEN, options)

    assert drawn == expected({item: count**exponent for item, count in counts.items()})


def test_hard_negatives_are_others_of_the_category_as_often_as_it_has_them() -> None:
    assert shares((3, 5), NegativeOptions("hard")) == expected({2: 4, 4: 1})


def test_a_category_without_another_item_falls_back_to_popularity() -> None:
    counts = {2: 4, 3: 3, 4: 1, 6: 2, 7: 1}

    assert shares((8, 9), NegativeOptions("hard")) == expected(counts)


def test_an_unseen_item_of_a_known_category_has_hard_negatives_too() -> None:
    assert shares((99, 7), NegativeOptions("hard")) == expected({6: 2, 7: 1})


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(1, 8), st.integers(1, 5)), max_size=20),
    st.sampled_from(["random", "popularity", "hard"]),
    st.sampled_from([0.5, 1.0]),
)
def test_a_negative_is_a_row_of_the_pool_and_another_item(
    pool: list, positives: list, kind: Negatives, exponent: float
) -> None:
    pool_MF, positives_NF = np.array(pool), np.array(positives, np.int64).reshape(-1, 2)
    options = NegativeOptions(kind, popularity_exponent=exponent)

    negatives_NF = NegativeSampler(pool_MF, options).draw(positives_NF, np.random.default_rng(0))

    assert set(map(tuple, negatives_NF.tolist())) <= set(pool)
    known = {item for item, _ in pool if item != OOV_ROW}
    choice = known if kind == "random" and known else {item for item, _ in pool}
    for positive, negative in zip(positives_NF[:, 0], negatives_NF[:, 0], strict=True):
        assert positive != negative or choice == {positive}
