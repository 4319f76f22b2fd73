"""What is recorded, what never is, and what a full disk costs."""

import os

import numpy as np
import pytest
import torch

from app.errors import StartupRefused
from app.monitoring.metrics import Metrics
from app.recording.record_files import RecordFiles, files_in, read_records
from app.recording.recorder import MOST_WAITING, Recorder, pseudonym_of
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from tests.artifacts import publish_tiny_version
from tests.recording.records import KEY, origin_of, outcomes, record_all, recorder_in, written_in
from tests.registry.servables import draw_requests


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root)
    return load_version(ModelStore(root).load("tiny", "1"), torch.device("cpu"), "reference")


def test_what_is_read_is_what_was_scored(version, tmp_path):
    requests = draw_requests(20)

    with recorder_in(tmp_path) as recorder:
        record_all(recorder, version, requests)

    records = written_in(tmp_path)
    for record, (user, candidates), scores in zip(
        records, requests, version.score(requests), strict=True
    ):
        read_user, read_candidates = record.job()
        newest = user.behaviors.newest(version.encoder.schema.max_behaviors)
        np.testing.assert_array_equal(read_user.behaviors.keys_TF, newest.keys_TF)
        np.testing.assert_array_equal(read_user.behaviors.timestamps_T, newest.timestamps_T)
        assert (read_user.profile, read_user.context) == (user.profile, user.context)
        assert read_candidates.fields == candidates.fields
        assert record.scores().tobytes() == scores.logits_C.tobytes()
        assert (record.model, record.version, record.runtime) == ("tiny", "1", "reference")


def test_a_score_that_is_not_a_number_is_recorded_as_such(version, tmp_path):
    ((user, candidates),) = draw_requests(1)
    logits = np.full(len(candidates), np.nan, np.float32)

    with recorder_in(tmp_path) as recorder:
        recorder.record(origin_of(version), user, candidates, logits, lambda _: None)

    (record,) = written_in(tmp_path)
    assert np.isnan(record.scores()).all()


def test_users_are_known_by_a_keyed_hash_alone(version, tmp_path):
    requests = draw_requests(20)

    with recorder_in(tmp_path) as recorder:
        record_all(recorder, version, requests)

    text = "".join(path.read_text() for path in files_in(tmp_path))
    assert not any(user.user_id in text for user, _ in requests)
    assert [record.user for record in written_in(tmp_path)] == [
        pseudonym_of(user.user_id, KEY) for user, _ in requests
    ]
    assert pseudonym_of("user-1", KEY) != pseudonym_of("user-1", b"another key")


def test_only_its_owner_may_read_a_recording(version, tmp_path):
    with recorder_in(tmp_path / "recorded") as recorder:
        record_all(recorder, version, draw_requests(1))

    (path,) = files_in(tmp_path / "recorded")
    assert path.stat().st_mode & 0o077 == 0


def test_features_that_the_version_does_not_read_are_left_out(version, tmp_path):
    ((user, candidates),) = draw_requests(1)
    user.profile["email"] = "ada@example.com"
    candidates.fields["landing_page"] = ["https://example.com"] * len(candidates)

    with recorder_in(tmp_path) as recorder:
        record_all(recorder, version, [(user, candidates)])

    assert "example.com" not in files_in(tmp_path)[0].read_text()


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, (0, 0)), (0.2, (150, 250)), (1.0, (1000,) * 2)]
)
def test_a_share_of_the_requests_is_recorded(version, tmp_path, share, expected):
    metrics = Metrics()
    requests = draw_requests(50) * 20

    for start in range(0, len(requests), 100):  # so many fit the queue
        with recorder_in(tmp_path, metrics=metrics, share=share) as recorder:
            record_all(recorder, version, requests[start : start + 100])

    least, most = expected
    assert least <= outcomes(metrics)["written"] <= most


def test_the_folder_stays_within_its_bounds_and_keeps_the_newest(version, tmp_path):
    requests = draw_requests(200)
    bound = 16 * 2**10

    with recorder_in(tmp_path, max_bytes=bound) as recorder:
        record_all(recorder, version, requests)

    assert bound / 2 < sum(path.stat().st_size for path in files_in(tmp_path)) <= bound
    kept = [record.user for record in written_in(tmp_path)]
    assert kept == [pseudonym_of(user.user_id, KEY) for user, _ in requests][-len(kept) :]


def test_a_recorder_goes_on_in_the_space_that_earlier_ones_left(version, tmp_path):
    bound = 16 * 2**10

    for _ in range(6):
        with recorder_in(tmp_path, max_bytes=bound) as recorder:
            record_all(recorder, version, draw_requests(40))

    assert sum(path.stat().st_size for path in files_in(tmp_path)) <= bound


def test_a_disk_that_takes_nothing_costs_records_and_nothing_else(version, tmp_path):
    metrics = Metrics()
    folder = tmp_path / "recorded"
    folder.touch()  # nothing can be made in a file

    with recorder_in(folder, metrics=metrics) as recorder:
        record_all(recorder, version, draw_requests(10))

    assert outcomes(metrics) == {"written": 0, "queue_full": 0, "not_written": 10}


def test_recording_goes_on_when_there_is_space_again(version, tmp_path):
    metrics = Metrics()
    folder = tmp_path / "recorded"
    folder.touch()
    with recorder_in(folder, metrics=metrics) as recorder:
        record_all(recorder, version, draw_requests(3))
        while outcomes(metrics)["not_written"] < 3:
            os.sched_yield()
        folder.unlink()

        record_all(recorder, version, draw_requests(2))

    assert outcomes(metrics) == {"written": 2, "queue_full": 0, "not_written": 3}


def test_a_disk_that_hangs_fills_a_queue_and_then_nobody_waits(version, tmp_path):
    """A pipe that nobody reads takes what fits it, and then no more."""
    metrics = Metrics()
    reading, writing = os.pipe()
    files = RecordFiles(tmp_path, 2**30)
    files._descriptor = writing
    recorder = Recorder(files, metrics, share=1.0, key=KEY)
    requests = draw_requests(50)

    for _ in range(40):
        record_all(recorder, version, requests)

    assert outcomes(metrics)["queue_full"] >= 2000 - MOST_WAITING - outcomes(metrics)["written"] - 1
    assert outcomes(metrics)["queue_full"] > 0
    os.close(reading)  # and now a write fails
    recorder.close()


def test_what_was_cut_off_by_a_crash_is_left_out(version, tmp_path):
    with recorder_in(tmp_path) as recorder:
        record_all(recorder, version, draw_requests(3))
    (path,) = files_in(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])

    assert len(written_in(tmp_path)) == 2


@pytest.mark.parametrize("line", [b"not JSON\n", b"{}\n", b'{"format": 2}\n'])
def test_a_line_that_is_no_record_is_refused_by_its_number(tmp_path, line):
    (tmp_path / "requests-1.jsonl").write_bytes(line)

    with pytest.raises(
        StartupRefused, match=r"requests-1.jsonl:1: not a recorded request"
    ) as refused:
        list(read_records(tmp_path))

    assert len(str(refused.value).splitlines()) == 1


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(StartupRefused, match="has no recorded requests"):
        list(read_records(tmp_path))
