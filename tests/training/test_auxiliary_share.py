"""A step may look at some of its behaviors only: their auxiliary loss estimates that of all."""

from dataclasses import replace

import numpy as np
import pytest

from app.core.schema import PAD_ROW
from app.training.options import LossOptions, TrainerOptions
from app.training.step_sampler import StepSampler
from tests.training.planted_world import PlantedWorld


def share_with_negatives(world: PlantedWorld, loss: LossOptions) -> float:
    options = replace(TrainerOptions(), loss=loss)
    sampler = StepSampler(world.split("train"), options, np.random.default_rng(0))
    drawn_N = np.concatenate([step.sampled_NF[:, 0] != PAD_ROW for step, _ in sampler.steps()])
    return float(drawn_N.mean())


def test_all_behaviors_have_a_negative_by_default(world: PlantedWorld) -> None:
    assert share_with_negatives(world, LossOptions()) == 1.0


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_chosen_share_of_behaviors_has_a_negative(world: PlantedWorld, share: float) -> None:
    found = share_with_negatives(world, LossOptions(auxiliary_share=share))

    assert found == pytest.approx(share, abs=0.05)
