"""Training stops when validation no longer improves, and goes back to its best weights."""

import torch

from app.training.early_stopping import EarlyStopping


def test_it_stops_after_as_many_worse_epochs_as_its_patience() -> None:
    stopping = EarlyStopping(patience=2)

    stops = []
    for score in (0.6, 0.7, 0.69, 0.71, 0.70, 0.71):
        stopping.observe(score, {})
        stops.append(stopping.should_stop)

    assert stops == [False, False, False, False, False, True]


def test_an_equal_score_is_no_improvement() -> None:
    stopping = EarlyStopping(patience=1)

    assert stopping.observe(0.6, {})
    assert not stopping.observe(0.6, {})


def test_the_best_weights_are_a_copy() -> None:
    stopping = EarlyStopping(patience=1)
    weight = torch.tensor([1.0])

    stopping.observe(0.6, {"weight": weight})
    weight += 1
    stopping.observe(0.5, {"weight": weight})

    assert stopping.best_weights["weight"].item() == 1.0
