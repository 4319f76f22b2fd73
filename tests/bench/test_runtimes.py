"""Runtimes without a server: the same request, whichever way it is laid out."""

import numpy as np
import pytest

from app.registry.model_store import ModelStore
from bench.race.compute import absent
from bench.race.per_row_dien import per_row_dien
from bench.race.runtimes import eager, make_entry, two_verbs_eager
from tests.artifacts import publish_tiny_version


def test_ours_and_the_per_row_model_get_the_same_request(tmp_path):
    manifest = publish_tiny_version(tmp_path, side_fields=())
    artifact = ModelStore(tmp_path).load(manifest.name, manifest.version)
    entry = make_entry(artifact, per_row_dien(artifact), tmp_path, (7, 9))

    ours, per_row = two_verbs_eager(entry)(), eager(entry)()

    assert ours.shape == (7,)
    assert np.ptp(ours) > 1e-3
    assert per_row == pytest.approx(ours, abs=1e-6)


def test_a_runtime_that_does_not_run_says_why():
    row = absent("per row, OpenVINO", "no such operator")

    assert (row["median_ms"], row["problem"]) == (None, "no such operator")
