"""The best k of each user against every order that ties allow, sklearn and values by hand."""

from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from app.training.quality.top_k import TOP_K_METRICS, UserLists
from tests.training.quality.scored import scored, scored_rows

few_ks = st.integers(1, 6)


def values(rows, k, categories=None):
    category_C = np.zeros(len(rows), np.int64) if categories is None else np.array(categories)
    statistics = UserLists(rows).statistics(k, category_C)
    return {name: float(it(np.ones((1, rows.users)))[0]) for name, it in statistics.items()}


def orders(logits):
    """Every order from high to low that the scores allow."""
    return [
        order
        for order in permutations(range(len(logits)))
        if all(logits[left] >= logits[right] for left, right in pairwise(order))
    ]


def dcg(labels, k):
    return sum(label / np.log2(place + 2) for place, label in enumerate(labels[:k]))


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.0]), st.booleans()), min_size=1, max_size=5),
    few_ks,
)
def test_ties_count_as_the_mean_of_every_order(candidates, k):
    logits, clicked = zip(*candidates, strict=True)
    ranked = [[clicked[index] for index in order] for order in orders(logits)]

    found = values(scored(logits, clicked), k)

    hits = np.mean([sum(labels[:k]) for labels in ranked])
    assert found["precision"] == pytest.approx(hits / min(k, len(clicked)))
    if any(clicked):
        ideal = dcg(sorted(clicked, reverse=True), k)
        assert found["recall"] == pytest.approx(hits / sum(clicked))
        assert found["ndcg"] == pytest.approx(np.mean([dcg(own, k) for own in ranked]) / ideal)


@settings(max_examples=30)  # sklearn checks its input at length
@given(scored_rows(), few_ks)
def test_ndcg_is_that_of_sklearn_in_the_mean_of_users_with_a_click(rows, k):
    own = [rows.user_C == user for user in range(rows.users)]
    clickers = [mask for mask in own if rows.clicked_C[mask].any()]
    assume(clickers and all(mask.sum() > 1 for mask in clickers))  # sklearn refuses lists of one

    found = values(rows, k)["ndcg"]

    expected = [ndcg_score([rows.clicked_C[mask]], [rows.logits_C[mask]], k=k) for mask in clickers]
    assert found == pytest.approx(np.mean(expected))


@given(scored_rows(), few_ks, st.randoms(use_true_random=False))
def test_the_order_of_the_file_says_nothing_about_clicks(rows, k, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = scored(rows.logits_C[order], rows.clicked_C[order], rows.user_C[order].tolist())

    found, again = values(rows, k), values(shuffled, k)

    for name in ("precision", "recall", "ndcg"):
        assert found[name] == pytest.approx(again[name], nan_ok=True)


@given(scored_rows(), few_ks, st.data())
def test_diversity_is_the_share_of_pairs_with_two_categories(rows, k, data):
    categories = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    shares = []
    for user in range(rows.users):
        own = np.flatnonzero(rows.user_C == user)
        best = own[np.argsort(-rows.logits_C[own], kind="stable")][:k]
        pairs = list(combinations(best, 2))
        if pairs:
            shares.append(np.mean([categories[one] != categories[other] for one, other in pairs]))

    found = values(rows, k, categories)["diversity"]

    assert found == pytest.approx(np.mean(shares) if shares else np.nan, nan_ok=True)


def test_equal_scores_find_clicks_by_chance():
    found = values(scored([1.0] * 10, [1] + [0] * 9), 2)

    assert found["precision"] == pytest.approx(1 / 10)
    assert found["recall"] == pytest.approx(2 / 10)


def test_a_single_candidate_is_its_own_best_list():
    clicked, other = values(scored([0.3], [1]), 5), values(scored([0.3], [0]), 5)

    assert (clicked["precision"], clicked["recall"], clicked["ndcg"]) == (1, 1, 1)
    assert other["precision"] == 0
    assert np.isnan([other["recall"], other["ndcg"], clicked["diversity"]]).all()


def test_every_metric_is_there():
    assert tuple(values(scored([1.0], [1]), 1)) == TOP_K_METRICS


def test_coverage_counts_items_that_anybody_sees():
    lists = UserLists(scored([2.0, 1.0, 0.0, 3.0, 1.0], [0] * 5, users=[0, 0, 0, 1, 1]))
    items = np.array([10, 11, 12, 10, 13])

    assert lists.coverage(1, items) == 1 / 4
    assert lists.coverage(2, items) == 3 / 4
    assert lists.coverage(3, items) == 1


def test_lists_no_longer_than_k_leave_no_choice():
    lists = UserLists(scored([0.0] * 5, [0] * 5, users=[0, 0, 0, 1, 1]))

    assert [lists.longer_than(k) for k in (1, 2, 3)] == [1, 0.5, 0]
