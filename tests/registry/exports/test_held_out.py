"""Held-out samples come back as they were, whole and in parts; anything else is refused."""

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.numpy import save

from app.errors import ArtifactRefused
from app.registry.exports.held_out import HELD_OUT, HeldOut, held_out_of
from app.registry.model_store import ModelStore
from tests.artifacts import publish_tiny_version
from tests.registry.exports.exported import draw_held_out, publish_with_held_out, same
from tests.registry.versions import replace_file


def test_a_version_keeps_its_held_out_samples(tmp_path):
    artifact = publish_with_held_out(tmp_path)

    kept = held_out_of(artifact)

    assert kept is not None
    assert same(kept, draw_held_out(artifact))


def test_a_version_that_keeps_none_has_none(tmp_path):
    publish_tiny_version(tmp_path)

    assert held_out_of(ModelStore(tmp_path).load("tiny", "1")) is None


def test_its_batches_are_all_of_it_in_order(tmp_path):
    held_out = held_out_of(publish_with_held_out(tmp_path))

    batches = list(held_out.batches())

    assert len(batches) == 3
    whole = held_out.batch
    for name in (
        "lengths_U",
        "behaviors_NF",
        "candidates_CF",
        "candidate_dense_CD",
        "user_dense_UD",
    ):
        together = np.concatenate([getattr(batch, name) for batch in batches])
        np.testing.assert_array_equal(together, getattr(whole, name))
    assert all(batch.user_of_C.min() == 0 for batch in batches)
    assert sum(len(np.unique(batch.user_of_C)) for batch in batches) == len(whole.lengths_U)


@pytest.mark.parametrize("content", [b"", save({"labels_C": np.zeros(1, np.float32)})])
def test_a_file_of_something_else_is_refused(content, tmp_path):
    artifact = publish_with_held_out(tmp_path)
    replace_file(artifact.folder, HELD_OUT, content)

    with pytest.raises(ArtifactRefused, match=r"held_out\.safetensors: not held-out samples"):
        held_out_of(ModelStore(tmp_path).load("tiny", "2"))


@pytest.mark.parametrize(
    ("array", "value"),
    [
        ("candidates_CF", 10**9),
        ("behaviors_NF", -1),
        ("lengths_U", 10**6),
        ("user_of_C", 10**6),
        ("user_of_C", 0),  # after others
    ],
)
def test_samples_that_tables_have_no_rows_for_are_refused(array, value, tmp_path):
    artifact = publish_with_held_out(tmp_path)
    held_out = held_out_of(artifact)
    values = getattr(held_out.batch, array).copy()
    values[-1] = value
    batch = replace(held_out.batch, **{array: values})
    replace_file(artifact.folder, HELD_OUT, HeldOut(batch, held_out.labels_C).to_bytes())

    with pytest.raises(ArtifactRefused, match="they do not fit its tables"):
        held_out_of(ModelStore(tmp_path).load("tiny", "2"))


def test_labels_are_numbers_beside_their_candidates(tmp_path):
    held_out = held_out_of(publish_with_held_out(tmp_path))

    assert isinstance(held_out, HeldOut)
    assert len(held_out.labels_C) == len(held_out.batch.user_of_C)
    assert set(held_out.labels_C.tolist()) == {0.0, 1.0}
