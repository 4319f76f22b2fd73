"""A small DIEN learns a planted pattern, the same way every time, and knows what unknown means."""

from dataclasses import replace

import pytest
import torch
from msgspec import structs

from app.core.batch import Doubles
from app.core.calibration import UNCALIBRATED, ctr_of
from app.core.schema import OOV_ROW, PAD_ROW
from app.errors import StartupRefused
from app.models.factory import Model, build_model
from app.training.encoding import EncodedSamples
from app.training.evaluation import evaluate
from app.training.options import LossOptions, NegativeOptions, OptimizerOptions
from app.training.prediction import predict
from app.training.progress import EpochReport, Unwatched
from app.training.reproducible import reproducible
from app.training.trainer import Trained
from tests.training.builders import QUICK, SMALL_DIEN
from tests.training.planted_world import PlantedWorld


class Diary(Unwatched):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.started: list[tuple[int, int]] = []
        self.rows_done = 0
        self.reports: list[EpochReport] = []

    def epoch_started(self, epoch: int, rows: int) -> None:
        self.started.append((epoch, rows))

    def batch_done(self, rows: int, mean_loss: float) -> None:
        self.rows_done += rows

    def epoch_ended(self, report: EpochReport) -> None:
        self.reports.append(report)


@pytest.fixture(scope="module")
def trained(world: PlantedWorld) -> Trained:
    return world.train()


def model_ctr(model: Model, split: EncodedSamples) -> Doubles:
    return ctr_of(predict(model, split), UNCALIBRATED)


def unknown_items(split: EncodedSamples) -> EncodedSamples:
    items_CF = split.batch.candidates_CF.copy()
    items_CF[:, 0] = OOV_ROW
    return replace(split, batch=structs.replace(split.batch, candidates_CF=items_CF))


def test_a_planted_pattern_is_learned(world: PlantedWorld, trained: Trained) -> None:
    test = world.splits["test"]

    metrics = evaluate(model_ctr(trained.model, test), test.labels_C, test.user_ids_C)

    assert metrics.auc > 0.8  # users without behaviors stay at chance
    assert metrics.gauc > 0.8
    assert metrics.logloss < 0.5
    assert 0.8 < metrics.pcoc < 1.25


def test_equal_seeds_give_equal_weights(world: PlantedWorld) -> None:
    options = replace(QUICK, epochs=2)

    first, second = (world.train(options).model.state_dict() for _ in range(2))

    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights(world: PlantedWorld, trained: Trained) -> None:
    other = world.train(replace(QUICK, epochs=1, seed=4)).model.state_dict()

    assert not torch.equal(other["mlp.layers.0.weight"], trained.model.mlp.layers[0].weight)


def test_a_seeded_run_leaves_torchs_own_randomness_alone(world: PlantedWorld) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)

    world.train(replace(QUICK, epochs=1))

    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_training_ends_with_the_weights_of_its_best_epoch(world: PlantedWorld) -> None:
    valid = world.splits["upside_down"]

    trained = world.train(QUICK, valid="upside_down")

    again = evaluate(model_ctr(trained.model, valid), valid.labels_C, valid.user_ids_C)
    best = max(trained.epochs, key=lambda report: report.valid.auc)
    assert best.epoch < len(trained.epochs)
    assert best.is_best
    assert again == best.valid


def test_training_stops_after_its_patience(world: PlantedWorld) -> None:
    trained = world.train(replace(QUICK, epochs=50, patience=2), valid="upside_down")

    assert [report.is_best for report in trained.epochs][-3:] == [True, False, False]
    assert len(trained.epochs) < 50


def test_every_row_is_reported_once_an_epoch(world: PlantedWorld) -> None:
    diary, rows = Diary(), len(world.splits["train"].labels_C)

    world.train(replace(QUICK, epochs=2), watcher=diary)

    assert diary.started == [(1, rows), (2, rows)]
    assert diary.rows_done == 2 * rows
    assert [report.epoch for report in diary.reports] == [1, 2]


def test_padding_stays_zero_and_the_unknown_row_is_learned(
    world: PlantedWorld, trained: Trained
) -> None:
    with reproducible(QUICK.seed):
        untrained = build_model(SMALL_DIEN, world.features.schema)

    for name in ("item_id", "category_id"):
        before = untrained.embedding.tables[name].weight
        after = trained.model.embedding.tables[name].weight
        assert torch.count_nonzero(after[PAD_ROW]) == 0
        assert (after[OOV_ROW] - before[OOV_ROW]).norm() > 0.1 * before[OOV_ROW].norm()


def test_unknown_items_score_near_the_prior(world: PlantedWorld, trained: Trained) -> None:
    test = world.splits["test"]

    ctr_C = model_ctr(trained.model, unknown_items(test))

    assert abs(ctr_C.mean() - test.labels_C.mean()) < 0.1


def test_a_known_category_still_tells_of_an_unknown_item(
    world: PlantedWorld, trained: Trained
) -> None:
    test = unknown_items(world.splits["test"])

    metrics = evaluate(model_ctr(trained.model, test), test.labels_C, test.user_ids_C)

    assert metrics.auc > 0.75


def test_the_auxiliary_loss_is_left_out_at_weight_zero(world: PlantedWorld) -> None:
    trained = world.train(replace(QUICK, epochs=1, loss=LossOptions(auxiliary_weight=0.0)))

    assert trained.epochs[0].auxiliary_loss == 0.0


def test_extra_negatives_leave_the_probabilities_as_they_were(world: PlantedWorld) -> None:
    test = world.splits["test"]

    trained = world.train(replace(QUICK, negatives=NegativeOptions(extra_negatives=4)))

    metrics = evaluate(model_ctr(trained.model, test), test.labels_C, test.user_ids_C)
    assert 0.8 < metrics.pcoc < 1.25


def test_a_loss_that_is_no_longer_a_number_is_refused(world: PlantedWorld) -> None:
    with pytest.raises(StartupRefused, match="lower --learning-rate"):
        world.train(replace(QUICK, optimizer=OptimizerOptions(learning_rate=1e30)))
