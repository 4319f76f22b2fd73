"""The cost of a batch is learned from batches, and what is rare is not unlearned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.cost_model import CostModel, Size

SHAPES = [Size(1, 0), Size(1, 1), Size(20, 20), Size(100, 50), Size(400, 50)]


def true_seconds(sizes, *, factor: float = 1.0) -> float:
    """What a machine takes that knows nothing of least squares."""
    return factor * sum(50e-6 + 2e-6 * size.candidates + 0.3e-6 * size.pairs for size in sizes)


def measured_model() -> CostModel:
    return CostModel([(size, true_seconds([size])) for size in SHAPES])


@given(st.lists(st.builds(Size, st.integers(1, 1000), st.integers(0, 100)), min_size=1, max_size=9))
def test_before_the_first_batch_it_knows_what_was_measured(sizes):
    assert measured_model().predict_s(sizes) == pytest.approx(true_seconds(sizes), rel=1e-6)


@given(st.sampled_from([0.5, 2.0, 4.0]), st.integers(0, 100))
def test_it_follows_a_machine_that_changes_its_speed(factor, seed):
    model, random = measured_model(), np.random.default_rng(seed)
    for _ in range(300):
        sizes = [
            Size(int(random.integers(1, 300)), int(random.integers(0, 60)))
            for _ in range(random.integers(1, 5))
        ]
        model.learn(sizes, true_seconds(sizes, factor=factor) * random.uniform(0.8, 1.25))

    sizes = [Size(100, 50), Size(30, 10)]
    assert model.predict_s(sizes) == pytest.approx(true_seconds(sizes, factor=factor), rel=0.15)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_many_batches_of_one_shape_do_not_spoil_what_is_known_of_others(factor):
    model = measured_model()
    for _ in range(10_000):
        model.learn([Size(100, 50)], true_seconds([Size(100, 50)], factor=factor))

    for size in (Size(1, 0), Size(20, 20), Size(1000, 50), Size(100, 5)):
        ratio = model.predict_s([size]) / true_seconds([size])
        assert min(1.0, factor) * 0.5 < ratio < max(1.0, factor) * 2.0


@given(
    st.lists(
        st.tuples(st.builds(Size, st.integers(1, 1000), st.integers(0, 100)), st.floats(0, 10)),
        max_size=40,
    )
)
def test_no_prediction_is_ever_below_a_tenth_of_the_first(batches):
    model = measured_model()
    for size, seconds in batches:
        model.learn([size], seconds)

    for size in SHAPES:
        predicted = model.predict_s([size])
        assert np.isfinite(predicted)
        assert predicted >= 0.0999 * true_seconds([size])
