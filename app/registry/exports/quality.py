"""What a runtime loses against the model that it was made from."""

from collections.abc import Callable

import numpy as np

from app.core.batch import Doubles, Floats, RaggedBatch, Scores
from app.core.calibration import Calibration, ctr_of
from app.registry.exports.held_out import HeldOut
from app.registry.manifest import HeldOutQuality

# C candidates

Score = Callable[[RaggedBatch], Scores]

SMALLEST_CTR = 1e-15  # a certain miss must not cost infinitely much


def compare(
    export: Score,
    model: Score,
    held_out: HeldOut,
    calibration: Calibration,
    on_users: Callable[[int], None] = lambda users: None,
) -> HeldOutQuality:
    """Both score the same samples; `on_users` is told how many more are done."""
    exported, own = [], []
    for batch in held_out.batches():
        exported.append(ctr_of(export(batch).logits_C, calibration))
        own.append(ctr_of(model(batch).logits_C, calibration))
        on_users(len(batch.lengths_U))
    export_C, model_C, labels_C = np.concatenate(exported), np.concatenate(own), held_out.labels_C
    logloss, auc = _logloss(export_C, labels_C), area_under_curve(export_C, labels_C)
    return HeldOutQuality(
        rows=len(labels_C),
        max_ctr_difference=float(np.abs(export_C - model_C).max()),
        auc=auc,
        auc_change=auc - area_under_curve(model_C, labels_C),
        logloss=logloss,
        logloss_change=logloss - _logloss(model_C, labels_C),
        pcoc=float(export_C.sum() / labels_C.sum(dtype=np.float64)),
    )


def area_under_curve(ctr_C: Doubles, labels_C: Floats) -> float:
    """How often a click scores above a non-click; ties count half. Labels of both kinds."""
    _, value_C, count_V = np.unique(ctr_C, return_inverse=True, return_counts=True)
    mean_rank_V = np.cumsum(count_V) - (count_V - 1) / 2
    clicked_C = labels_C > 0
    clicks = int(clicked_C.sum())
    won = mean_rank_V[value_C][clicked_C].sum() - clicks * (clicks + 1) / 2
    return float(won / (clicks * (len(labels_C) - clicks)))


def _logloss(ctr_C: Doubles, labels_C: Floats) -> float:
    likelihood_C = np.where(labels_C > 0, ctr_C, 1 - ctr_C)
    return float(-np.log(likelihood_C.clip(min=SMALLEST_CTR)).mean())
