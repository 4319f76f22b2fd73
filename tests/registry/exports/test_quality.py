"""What an export loses is measured as the literature defines it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from app.core.batch import Scores
from app.core.calibration import UNCALIBRATED
from app.registry.exports.held_out import held_out_of
from app.registry.exports.quality import area_under_curve, compare
from app.registry.loaded_version import load_version
from tests.registry.exports.exported import CPU, publish_with_held_out

rows = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({clicked for _, clicked in rows}) == 2
)


@given(rows)
def test_the_auc_is_that_of_scikit_learn_ties_included(rows):
    ctr_C = np.array([score / 5 for score, _ in rows])
    labels_C = np.array([clicked for _, clicked in rows], np.float32)

    assert np.isclose(area_under_curve(ctr_C, labels_C), roc_auc_score(labels_C, ctr_C))


def test_a_runtime_with_the_same_scores_loses_nothing(tmp_path):
    artifact = publish_with_held_out(tmp_path)
    score = load_version(artifact, CPU, "reference").runtime.score

    quality = compare(score, score, held_out_of(artifact), UNCALIBRATED)

    assert quality.max_ctr_difference == quality.auc_change == quality.logloss_change == 0.0
    assert quality.auc > 0.6
    assert 0.8 < quality.pcoc < 1.25


def test_a_runtime_that_believes_the_opposite_loses_all(tmp_path):
    artifact = publish_with_held_out(tmp_path)
    score = load_version(artifact, CPU, "reference").runtime.score

    def opposite(batch):
        scores = score(batch)
        return Scores(-scores.logits_C, scores.attention_CT)

    quality = compare(opposite, score, held_out_of(artifact), UNCALIBRATED)

    assert np.isclose(quality.auc_change, 1 - 2 * (quality.auc - quality.auc_change))
    assert quality.logloss_change > 0
    assert quality.max_ctr_difference > 0.5
