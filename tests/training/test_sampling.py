"""Random id dropout and the auxiliary loss's negatives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from app.core.batch import RaggedBatch
from app.core.schema import OOV_ROW
from app.training.id_dropout import drop_ids, with_dropped_ids
from app.training.negatives import NegativeSampler

# item and category rows of a training split: item 2 is half of it
POOL = np.array([(2, 5), (2, 5), (2, 5), (3, 6), (4, 6), (7, 5)])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(npst.arrays(np.int64, st.tuples(st.integers(0, 50), st.just(2)), elements=st.integers(2, 7)))
def test_a_negative_is_another_item_with_its_own_category(positives_NF: np.ndarray) -> None:
    negatives_NF = NegativeSampler(POOL).draw(positives_NF, rng())

    assert (negatives_NF[:, 0] != positives_NF[:, 0]).all()
    assert set(map(tuple, negatives_NF.tolist())) <= set(map(tuple, POOL.tolist()))


def test_negatives_come_as_often_as_training_has_them() -> None:
    positives_NF = np.full((60_000, 2), 99)

    negatives_NF = NegativeSampler(POOL).draw(positives_NF, rng())

    shares = np.bincount(negatives_NF[:, 0], minlength=8) / len(negatives_NF)
    np.testing.assert_allclose(shares[[2, 3, 4, 7]], [1 / 2, 1 / 6, 1 / 6, 1 / 6], atol=0.01)


def test_a_catalog_of_one_item_leaves_no_other_negative() -> None:
    only = np.array([(2, 5), (2, 5)])

    assert NegativeSampler(only).draw(only, rng()).tolist() == only.tolist()


def test_without_behaviors_there_are_no_negatives() -> None:
    nothing = np.empty((0, 2), np.int64)

    assert NegativeSampler(nothing).draw(nothing, rng()).shape == (0, 2)


def test_ids_are_dropped_each_on_its_own_at_the_given_rate() -> None:
    rows = np.full((50_000, 2), 9)

    dropped = drop_ids(rows, 0.2, rng()) == OOV_ROW

    np.testing.assert_allclose(dropped.mean(axis=0), 0.2, atol=0.01)
    np.testing.assert_allclose(dropped.all(axis=1).mean(), 0.04, atol=0.005)


def test_no_dropout_changes_nothing() -> None:
    rows = np.arange(2, 20).reshape(-1, 2)

    np.testing.assert_array_equal(drop_ids(rows, 0.0, rng()), rows)


def test_dropout_reaches_every_sparse_field_and_nothing_else() -> None:
    batch = RaggedBatch(
        lengths_U=np.array([3]),
        behaviors_NF=np.full((3, 2), 9),
        behavior_seconds_N=np.arange(3),
        user_sparse_US=np.full((1, 2), 9),
        user_dense_UD=np.ones((1, 1), np.float32),
        candidates_CF=np.full((4, 2), 9),
        candidate_sparse_CS=np.full((4, 1), 9),
        candidate_dense_CD=np.ones((4, 1), np.float32),
        user_of_C=np.zeros(4, np.int64),
    )

    dropped = with_dropped_ids(batch, 1.0, rng())

    for name in ("behaviors_NF", "user_sparse_US", "candidates_CF", "candidate_sparse_CS"):
        assert (getattr(dropped, name) == OOV_ROW).all()
    for name in ("lengths_U", "user_dense_UD", "candidate_dense_CD", "user_of_C"):
        np.testing.assert_array_equal(getattr(dropped, name), getattr(batch, name))
