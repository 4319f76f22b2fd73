"""A step may be computed in shares: they are the step, and their gradients add up to its own."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.core.batch import RaggedBatch
from app.training.options import TrainerOptions
from app.training.prediction import predict
from tests.training.builders import QUICK, SMALL_DIEN, step_of
from tests.training.planted_world import PlantedWorld

NO_BATCH_STATISTICS = SMALL_DIEN.model_copy(update={"mlp_activation": "prelu"})


users = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=12)


@given(users, st.integers(1, 5))
def test_shares_put_together_are_the_step(given: list[tuple[int, int]], count: int) -> None:
    step = step_of(*map(list, zip(*given, strict=True)))

    shares = list(step.shares(count))

    assert len(shares) == count
    for name in ("labels_C", "weights_C", "sampled_NF"):
        joined = np.concatenate([getattr(share, name) for share in shares])
        np.testing.assert_array_equal(joined, getattr(step, name))
    for name in set(RaggedBatch.__struct_fields__) - {"user_of_C"}:
        joined = np.concatenate([getattr(share.batch, name) for share in shares])
        np.testing.assert_array_equal(joined, getattr(step.batch, name))
    assert sum(share.next_behaviors for share in shares) == step.next_behaviors


@given(users, st.integers(1, 5))
def test_a_share_has_whole_users_and_about_its_part(
    given: list[tuple[int, int]], count: int
) -> None:
    step = step_of(*map(list, zip(*given, strict=True)))
    most_of_a_user = max(candidates for _, candidates in given)

    for share in step.shares(count):
        of_users = np.bincount(share.batch.user_of_C, minlength=len(share.batch.lengths_U))
        assert (of_users > 0).all()
        assert len(share.labels_C) < len(step.labels_C) / count + most_of_a_user


def test_accumulated_batches_equal_one_that_is_larger(world: PlantedWorld) -> None:
    whole = replace(QUICK, epochs=1, batch_size=64)
    parts = accumulating(replace(whole, batch_size=16), 4)

    # Scores, because Adam makes steps of any size out of gradients that are nothing but rounding.
    larger_C, accumulated_C = (
        predict(world.train(options, architecture=NO_BATCH_STATISTICS).model, world.splits["valid"])
        for options in (whole, parts)
    )

    np.testing.assert_allclose(accumulated_C, larger_C, rtol=0, atol=1e-4)


def accumulating(options: TrainerOptions, batches: int) -> TrainerOptions:
    return replace(options, optimizer=replace(options.optimizer, accumulate=batches))
