"""Training reads exactly what serving will read, and cuts batches without losing anything."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.batch import RaggedBatch
from app.features.encoder import Encoder
from app.models.layers.sessions import cut_sessions
from app.training.batches import BatchCutter, shuffled_batches
from app.training.encoding import EncodedSamples, encode_samples
from app.training.features import FeatureOptions, learn_features
from app.training.requests import SampleRequests
from app.training.samples import Samples, read_samples
from app.training.side_fields import parse_fields
from tests.training.builders import planted_rows, sample, write_rows

FIELDS = parse_fields(
    (
        "context:device:sparse:3",
        "candidate:price:dense",
        "candidate:slot:sparse:2",
        "profile:age:dense",
        "any:mood:sparse:2",
        "any:hour:dense",
    )
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Users with histories of 0 to 6 behaviors, side fields of every kind, and missing values."""
    rows = [
        {
            **row,
            "slot": ["top", "", "side"][index % 3],
            "age": ["31", "", "x"][index // 4 % 3],
            "mood": ["calm", "", "merry"][index % 3],
            "hour": ["7", "", "x", "19"][index % 4],
        }
        for index, row in enumerate(planted_rows(40, seed=5))
    ]
    return read_samples(write_rows(tmp_path_factory.mktemp("samples") / "test.tsv", rows), FIELDS)


@pytest.fixture(scope="module")
def encoded(samples: Samples) -> EncodedSamples:
    return encode_samples(samples, learn_features([samples], FeatureOptions(side_fields=FIELDS)))


@pytest.mark.parametrize("user_id", [False, True], ids=["without_user_id", "with_user_id"])
def test_training_and_serving_encode_alike(samples: Samples, tmp_path: Path, user_id: bool) -> None:
    train = read_samples(
        write_rows(
            tmp_path / "train.tsv",
            [
                {**row, "slot": "top", "age": "40", "mood": "calm", "hour": "12"}
                for row in planted_rows(8, seed=6)
            ],
        ),
        FIELDS,
    )
    options = FeatureOptions(max_behaviors=4, user_id=user_id, side_fields=FIELDS)
    features = learn_features([train], options)
    requests = SampleRequests(samples, FIELDS)
    encoder = Encoder(features.schema, features.vocabularies)

    trained_on = encode_samples(samples, features).batch
    served = encoder.encode([requests.request(user) for user in range(len(samples.lengths_U))])

    for ours, theirs in zip(trained_on.arrays(), served.batch.arrays(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_training_and_serving_see_the_same_sessions(tmp_path: Path) -> None:
    histories = [[0, 60, 60], [], [0, 1_800, 3_601, 90_000, 90_010], [1_801, 0], [5]]
    rows = [
        sample(label, f"u{user}", history=[("i1", "c1", second) for second in seconds])
        for user, seconds in enumerate(histories)
        for label in (0, 1)
    ]
    samples = read_samples(write_rows(tmp_path / "train.tsv", rows))
    features = learn_features([samples], FeatureOptions(max_behaviors=4))
    requests = SampleRequests(samples, ())
    encoder = Encoder(features.schema, features.vocabularies)

    trained_on = encode_samples(samples, features).batch
    served = encoder.encode([requests.request(user) for user in range(len(histories))]).batch

    for batch in (trained_on, served):
        assert batch.lengths_U.tolist() == [3, 0, 4, 2, 1]
        assert _session_lengths(batch) == [3, 1, 1, 2, 2, 1]


def test_a_cut_of_all_users_is_the_split(encoded: EncodedSamples) -> None:
    whole = BatchCutter(encoded).cut(np.arange(encoded.users))

    for cut, original in zip(whole.batch.arrays(), encoded.batch.arrays(), strict=True):
        np.testing.assert_array_equal(cut, original)
    np.testing.assert_array_equal(whole.labels_C, encoded.labels_C)


@given(st.lists(st.integers(0, 39), min_size=1, unique=True))
def test_a_cut_holds_each_users_own_behaviors_and_candidates(
    encoded: EncodedSamples, users: list[int]
) -> None:
    part = BatchCutter(encoded).cut(np.array(users))

    whole = encoded.batch
    of_users = np.concatenate([np.flatnonzero(whole.user_of_C == user) for user in users])
    np.testing.assert_array_equal(part.rows_C, of_users)
    np.testing.assert_array_equal(part.batch.candidates_CF, whole.candidates_CF[of_users])
    np.testing.assert_array_equal(np.array(users)[part.batch.user_of_C], whole.user_of_C[of_users])
    np.testing.assert_array_equal(part.batch.behaviors_NF, _behaviors_of(whole, users))


@given(st.lists(st.integers(1, 30), min_size=1), st.integers(1, 64), st.integers(0, 9))
def test_an_epoch_takes_every_user_once(candidates: list[int], size: int, seed: int) -> None:
    candidates_U = np.array(candidates)

    batches = list(shuffled_batches(candidates_U, size, np.random.default_rng(seed)))

    assert sorted(np.concatenate(batches).tolist()) == list(range(len(candidates)))
    assert all(candidates_U[batch].sum() < size + max(candidates) for batch in batches)


def test_each_epoch_has_another_order() -> None:
    rng = np.random.default_rng(0)

    first, second = (np.concatenate(list(shuffled_batches(np.ones(50), 8, rng))) for _ in range(2))

    assert first.tolist() != second.tolist()


def _session_lengths(batch: RaggedBatch) -> list[int]:
    seconds_N, lengths_U = map(torch.from_numpy, (batch.behavior_seconds_N, batch.lengths_U))
    sessions = cut_sessions(
        seconds_N, lengths_U, gap_s=1_800, max_sessions=9, max_session_behaviors=9
    )
    return sessions.lengths_S.tolist()


def _behaviors_of(whole: RaggedBatch, users: list[int]) -> np.ndarray:
    ends_U = np.cumsum(whole.lengths_U)
    spans = [
        whole.behaviors_NF[ends_U[user] - whole.lengths_U[user] : ends_U[user]] for user in users
    ]
    return np.concatenate(spans)
