"""What every rung of the ladder is worth is measured on the histories that it would have."""

from collections.abc import Sequence

import numpy as np
import pytest

from app.core.calibration import UNCALIBRATED, ctr_of
from app.registry.manifest import LadderRung
from app.registry.priors import Priors
from app.training.encoding import EncodedSamples
from app.training.evaluation import auc, pcoc
from app.training.judgment import EVALUATED
from app.training.prediction import predict
from app.training.rungs import HistoryCut, measure_ladder
from app.training.trainer import Trained
from tests.training.planted_world import PlantedWorld

MEAN_CTR = 0.25
MAX_BEHAVIORS = 4


def histories(samples: EncodedSamples) -> list[list[list[int]]]:
    batch = samples.batch
    timed = np.concatenate([batch.behaviors_NF, batch.behavior_seconds_N[:, None]], axis=1)
    return [part.tolist() for part in np.split(timed, np.cumsum(batch.lengths_U)[:-1])]


@pytest.fixture(scope="module")
def trained(world: PlantedWorld) -> Trained:
    return world.train()


@pytest.fixture(scope="module")
def ladder(world: PlantedWorld, trained: Trained) -> Sequence[LadderRung]:
    splits = {split: world.split(split) for split in EVALUATED}
    return measure_ladder(trained.model, splits, UNCALIBRATED, Priors(MEAN_CTR), MAX_BEHAVIORS)


@pytest.mark.parametrize(("newest", "late"), [(50, 1), (3, 0), (2, 1), (0, 0), (50, 9)])
def test_a_cut_leaves_the_newest_behaviors_but_the_late_ones(
    world: PlantedWorld, newest: int, late: int
) -> None:
    samples = world.splits["test"]

    cut = HistoryCut("stale_history", newest, late).apply(samples)

    expected = [
        known[max(0, len(known) - newest) :]
        for history in histories(samples)
        for known in [history[: max(0, len(history) - late)]]
    ]
    assert histories(cut) == expected
    assert cut.batch.candidates_CF is samples.batch.candidates_CF


def test_the_rungs_are_in_order_with_the_lengths_of_their_histories(
    ladder: Sequence[LadderRung],
) -> None:
    assert [(rung.degraded, rung.behaviors, rung.missing_newest) for rung in ladder] == [
        ("stale_history", 4, 1),
        ("truncated_history", 2, 0),
        ("truncated_history", 1, 0),
        ("no_history", 0, 0),
        ("prior", 0, 0),
    ]
    assert all(set(rung.metrics) == set(EVALUATED) for rung in ladder)


def test_no_history_is_measured_as_users_without_behaviors_are_served(
    world: PlantedWorld, trained: Trained, ladder: Sequence[LadderRung]
) -> None:
    cold = HistoryCut("no_history", 0).apply(world.splits["test"])
    ctr_C = ctr_of(predict(trained.model, cold), UNCALIBRATED)

    measured = ladder[-2].metrics["test"]

    assert measured.auc == pytest.approx(auc(ctr_C, cold.labels_C), abs=1e-6)
    assert measured.pcoc == pytest.approx(pcoc(ctr_C, cold.labels_C), abs=1e-6)


def test_a_history_that_says_all_is_worth_more_than_none(ladder: Sequence[LadderRung]) -> None:
    half, none = ladder[1].metrics["test"], ladder[-2].metrics["test"]

    assert half.auc > none.auc + 0.2
    assert half.logloss < none.logloss


def test_a_prior_that_is_the_same_for_all_ranks_by_chance(
    world: PlantedWorld, ladder: Sequence[LadderRung]
) -> None:
    prior = ladder[-1].metrics["valid"]

    assert prior.auc == 0.5
    assert prior.pcoc == pytest.approx(MEAN_CTR / world.splits["valid"].labels_C.mean())
