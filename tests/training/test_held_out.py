"""A version keeps test samples of whole users, bounded, and none that would tell nothing."""

from dataclasses import replace

import numpy as np

from app.core.calibration import ctr_of
from app.registry.exports.held_out import held_out_of
from app.registry.model_store import ModelStore
from app.training.evaluation import auc
from app.training.held_out import choose_held_out, read_held_out
from app.training.offline import engine_of
from tests.training.commands import train_planted


def test_users_are_kept_whole_and_no_more_of_them_than_allowed(world):
    samples = world.splits["test"]

    held_out = choose_held_out(samples, most=100)

    assert 90 < len(held_out.labels_C) <= 100
    per_user = np.bincount(held_out.batch.user_of_C)
    assert set(per_user) <= set(samples.candidates_per_user())
    assert (np.diff(held_out.batch.user_of_C) >= 0).all()


def test_labels_that_are_all_alike_are_not_kept(world):
    samples = world.splits["test"]

    assert choose_held_out(replace(samples, labels_C=np.ones_like(samples.labels_C))) is None


def test_a_trained_version_keeps_samples_that_its_model_scores_as_its_metrics_say(world, tmp_path):
    train_planted(world.folder, tmp_path)
    artifact = ModelStore(tmp_path).load("ads", "1")

    kept, read = held_out_of(artifact), read_held_out(world.folder, artifact)

    assert len(kept.labels_C) == len(read.labels_C)  # few enough to be kept all
    for held_out in (kept, read):
        logits = [engine_of(artifact).score(batch).logits_C for batch in held_out.batches()]
        ctr_C = ctr_of(np.concatenate(logits), artifact.manifest.calibration)
        assert np.isclose(auc(ctr_C, held_out.labels_C), artifact.manifest.metrics["test"].auc)
