"""Negatives beside clicks: whose they are, what they are, and what they weigh."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.core.batch import RaggedBatch
from app.training.candidate_counts import CandidateCounts
from app.training.encoded_split import SplitCounts
from app.training.encoding import EncodedSamples
from app.training.extra_negatives import ExtraNegatives, WeightedCandidates
from app.training.options import NegativeOptions, Negatives

KINDS: tuple[Negatives, ...] = ("random", "popularity", "hard")


def split_of(histories: list[list[int]], candidates: list[list[tuple[int, int]]]) -> EncodedSamples:
    """Users with items behind them, and (item, label) before them; fields tell of their row."""
    lengths_U = np.array([len(history) for history in histories])
    rows = [row for of_user in candidates for row in of_user]
    items_C = np.array([item for item, _ in rows])
    behaviors_N = np.array([item for history in histories for item in history], np.int64)
    users = len(histories)
    return EncodedSamples(
        labels_C=np.array([label for _, label in rows], np.float32),
        user_ids_C=np.zeros(len(rows), np.int64),
        batch=RaggedBatch(
            lengths_U=lengths_U,
            behaviors_NF=np.stack([behaviors_N, category_of(behaviors_N)], axis=1),
            behavior_seconds_N=np.zeros(len(behaviors_N), np.int64),
            user_sparse_US=np.empty((users, 0), np.int64),
            user_dense_UD=np.empty((users, 0), np.float32),
            candidates_CF=np.stack([items_C, category_of(items_C)], axis=1),
            candidate_sparse_CS=100 * items_C[:, None],
            candidate_dense_CD=items_C[:, None] / np.float32(8),
            user_of_C=np.repeat(np.arange(users), [len(of_user) for of_user in candidates]),
        ),
    )


def category_of(items: np.ndarray) -> np.ndarray:
    return items % 3 + 2


def with_extra(split: EncodedSamples, per_click: int, kind: Negatives) -> WeightedCandidates:
    clicks = int(split.labels_C.sum())
    counts = SplitCounts(
        len(split.labels_C),
        clicks,
        look_ups_V={},
        clicks_V=np.zeros(0, int),
        candidates=CandidateCounts.of(split.batch.candidates_CF, split.labels_C),
    )
    extra = ExtraNegatives(split, counts, NegativeOptions(kind, extra_negatives=per_click))
    return extra.beside(split.labels_C, split.batch, np.random.default_rng(3))


items = st.integers(2, 9)
users = st.lists(
    st.tuples(
        st.lists(items, max_size=4),
        st.lists(st.tuples(items, st.integers(0, 1)), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=6,
)


@given(users, st.integers(1, 4), st.sampled_from(KINDS))
def test_each_click_gets_its_negatives_behind_its_users_candidates(
    given: list, per_click: int, kind: Negatives
) -> None:
    split = split_of(*map(list, zip(*given, strict=True)))

    extended = with_extra(split, per_click, kind)

    assert (np.diff(extended.batch.user_of_C) >= 0).all()
    for user, (_, candidates) in enumerate(given):
        of_user = extended.batch.user_of_C == user
        clicks, own = sum(label for _, label in candidates), len(candidates)
        assert of_user.sum() == own + per_click * clicks
        assert extended.labels_C[of_user][own:].sum() == 0
        assert extended.batch.candidates_CF[of_user][:own, 0].tolist() == [i for i, _ in candidates]


@given(users, st.integers(1, 4), st.sampled_from(KINDS))
def test_no_negative_was_met_by_its_user_wherever_that_can_be_avoided(
    given: list, per_click: int, kind: Negatives
) -> None:
    split = split_of(*map(list, zip(*given, strict=True)))
    everything = {item for _, candidates in given for item, _ in candidates}

    extended = with_extra(split, per_click, kind)

    for user, (history, candidates) in enumerate(given):
        drawn = extended.batch.candidates_CF[extended.batch.user_of_C == user][len(candidates) :, 0]
        met = {*history, *(item for item, label in candidates if label)}
        if everything - met:
            assert not met & set(drawn.tolist())


def test_a_user_who_has_met_everything_gets_at_least_another_item() -> None:
    split = split_of([[2, 3, 4]], [[(2, 1), (3, 0)]])

    extended = with_extra(split, 5, "popularity")

    assert extended.batch.candidates_CF[2:, 0].tolist() == [3] * 5


@given(users, st.integers(1, 4), st.sampled_from(KINDS))
def test_a_negative_has_the_fields_of_the_row_it_was_drawn_from(
    given: list, per_click: int, kind: Negatives
) -> None:
    batch = with_extra(split_of(*map(list, zip(*given, strict=True))), per_click, kind).batch

    items_C = batch.candidates_CF[:, 0]
    np.testing.assert_array_equal(batch.candidates_CF[:, 1], category_of(items_C))
    np.testing.assert_array_equal(batch.candidate_sparse_CS[:, 0], 100 * items_C)
    np.testing.assert_array_equal(batch.candidate_dense_CD[:, 0], items_C / np.float32(8))


@given(users, st.integers(1, 4))
def test_all_negatives_together_weigh_what_the_files_own_weighed(
    given: list, per_click: int
) -> None:
    split = split_of(*map(list, zip(*given, strict=True)))
    others = (split.labels_C == 0).sum()

    extended = with_extra(split, per_click, "popularity")

    negatives = extended.labels_C == 0
    assert extended.weights_C[negatives].sum() == pytest.approx(others, rel=1e-5)
    assert (extended.weights_C[~negatives] == 1).all()


def test_equal_generators_draw_equal_negatives() -> None:
    split = split_of([[2], [3, 4]], [[(5, 1), (6, 0)], [(7, 1), (8, 0)]])

    first, second = (with_extra(split, 3, "random") for _ in range(2))

    np.testing.assert_array_equal(first.batch.candidates_CF, second.batch.candidates_CF)


def test_only_the_candidates_change() -> None:
    split = split_of([[2], [3, 4]], [[(5, 1), (6, 0)], [(7, 1), (8, 0)]])

    batch = with_extra(split, 3, "hard").batch

    unchanged = replace(
        split.batch,
        candidates_CF=batch.candidates_CF,
        candidate_sparse_CS=batch.candidate_sparse_CS,
        candidate_dense_CD=batch.candidate_dense_CD,
        user_of_C=batch.user_of_C,
    )
    for left, right in zip(batch.arrays(), unchanged.arrays(), strict=True):
        np.testing.assert_array_equal(left, right)
