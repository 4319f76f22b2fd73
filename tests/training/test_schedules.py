"""The learning rate of every step, against the formulas written out."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.training.options import OptimizerOptions, Schedule
from app.training.schedules import TrainingLength, make_schedule

HIGHEST = 0.02


def rates(options: OptimizerOptions, length: TrainingLength) -> list[float]:
    """What each step of a whole training is taken with."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=options.learning_rate)
    schedule = make_schedule(optimizer, options, length)
    taken = []
    for _ in range(length.steps):
        taken.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return taken


def expected(kind: str, warm_up: int, decay: float, final: float, length: TrainingLength) -> list:
    of_steps = []
    falling = max(1, length.steps - warm_up)
    for step in range(length.steps):
        done = step - warm_up
        if done < 0:
            of_steps.append(HIGHEST * (step + 1) / (warm_up + 1))
        elif kind == "constant":
            of_steps.append(HIGHEST)
        elif kind == "exponential":
            of_steps.append(HIGHEST * decay ** (done / length.steps_per_epoch))
        elif kind == "linear":
            of_steps.append(HIGHEST + (final - HIGHEST) * done / falling)
        else:
            of_steps.append(
                final + (HIGHEST - final) * (1 + math.cos(math.pi * done / falling)) / 2
            )
    return of_steps


@given(
    kind=st.sampled_from(["constant", "exponential", "linear", "cosine"]),
    warm_up=st.integers(0, 12),
    decay=st.floats(0.1, 1.0),
    final=st.floats(0.0, HIGHEST),
    steps_per_epoch=st.integers(1, 9),
    epochs=st.integers(1, 5),
)
def test_every_step_has_the_rate_of_its_formula(
    kind: Schedule, warm_up: int, decay: float, final: float, steps_per_epoch: int, epochs: int
) -> None:
    options = OptimizerOptions(
        learning_rate=HIGHEST,
        schedule=kind,
        warm_up_steps=warm_up,
        learning_rate_decay=decay,
        final_learning_rate=final,
    )
    length = TrainingLength(steps_per_epoch, epochs)

    taken = rates(options, length)

    assert taken == pytest.approx(
        expected(kind, warm_up, decay, final, length), rel=1e-9, abs=1e-12
    )


def test_by_default_the_rate_never_moves_by_a_bit() -> None:
    options = OptimizerOptions()

    taken = rates(options, TrainingLength(steps_per_epoch=50, epochs=2))

    assert set(taken) == {options.learning_rate}


def test_an_epoch_leaves_the_given_share_of_the_rate() -> None:
    options = replace(OptimizerOptions(), schedule="exponential", learning_rate_decay=0.5)

    taken = rates(options, TrainingLength(steps_per_epoch=10, epochs=3))

    assert taken[20] == pytest.approx(options.learning_rate / 4)
