"""Recorded requests give their scores again, and say how another version differs."""

import json

import numpy as np
import pytest
import torch

from app.core.calibration import UNCALIBRATED, Platt, ctr_of
from app.recording.record_files import files_in, read_records
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from app.registry.recording import RecordingObserver
from app.registry.servable import ScoredRequest
from app.scoring.replay import compare
from tests.artifacts import publish_tiny_version
from tests.cli.commands import ctr_serve, refusal_of, run_here
from tests.recording.records import record_all, recorder_in
from tests.registry.servables import draw_requests

BOLDER = Platt(slope=1.0, offset=0.5)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Version 2 is version 1 with logits that are higher by 0.5, version 3 has other weights."""
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root)
    publish_tiny_version(root, calibration=BOLDER)
    publish_tiny_version(root, seed=7)
    return root


def recording(store, folder, *, runtime="auto"):
    version = load_version(ModelStore(store).load("tiny", "1"), torch.device("cpu"), runtime)
    for start in range(0, 200, 100):
        with recorder_in(folder) as recorder:
            record_all(recorder, version, draw_requests(100, seed=start))
    return folder


def recording_with_users(store, folder, users):
    """Of a model that knows some of the users, written as the service does."""
    publish_tiny_version(store, "known", users=users)
    version = load_version(ModelStore(store).load("known", "1"), torch.device("cpu"))
    requests = draw_requests(100)
    with recorder_in(folder) as recorder:
        observer = RecordingObserver(recorder, version)
        for (user, candidates), scores in zip(requests, version.score(requests), strict=True):
            observer.scored(user, candidates, ScoredRequest(scores, 1), 0.0)
    return folder


def replay(store, folder, *options, **settings):
    finished = run_here(
        "replay", folder, "--json", *options, CTR_MODEL_STORE=str(store), **settings
    )
    assert not finished.stderr
    return finished.exit_code, json.loads(finished.stdout)


def test_the_fused_runtime_gives_every_bit_again_in_another_process(store, tmp_path):
    folder = recording(store, tmp_path, runtime="fused")

    finished = ctr_serve("replay", str(folder), "--json", CTR_MODEL_STORE=str(store))

    assert (finished.returncode, finished.stderr) == (0, "")
    result = json.loads(finished.stdout)
    assert result["identical_requests"] == result["requests"] == 200
    assert result["max_logit_difference"] == 0


def test_torch_gives_the_same_scores_whoever_is_in_a_batch(store, tmp_path):
    folder = recording(store, tmp_path, runtime="reference")

    code, result = replay(store, folder, CTR_RUNTIME="reference")

    assert code == 0
    assert result["max_logit_difference"] <= 1e-6
    assert result["recorded_by"] == {"reference": 200}


def test_scores_that_differ_are_an_error(store, tmp_path):
    (path,) = files_in(recording(store, tmp_path))[:1]
    first, *others = path.read_text().splitlines()
    record = json.loads(first)
    record["logits"][0] += 0.001
    path.write_text("\n".join([json.dumps(record), *others, ""]))

    code, result = replay(store, tmp_path)

    assert code == 1
    assert result["identical_requests"] == result["requests"] - 1
    assert result["max_logit_difference"] == pytest.approx(0.001, rel=0.01)


def test_a_version_with_higher_ctrs_is_told_by_its_mean_and_not_by_its_ranks(store, tmp_path):
    code, result = replay(store, recording(store, tmp_path), "--against", "2")

    assert code == 0
    assert result["ctr_ratio"]["low"] > 1.1
    assert result["rank_correlation"]["value"] == 1
    assert result["max_ctr_difference"] == pytest.approx(0.12, abs=0.01)  # of 0.5 and 0.5 logits up


def test_a_version_with_other_ranks_is_told_by_them(store, tmp_path):
    _, result = replay(store, recording(store, tmp_path), "--against", "3")

    assert result["rank_correlation"]["high"] < 0.5


def test_a_version_against_itself_differs_in_nothing(store, tmp_path):
    _, result = replay(store, recording(store, tmp_path), "--against", "1", "--limit", "100")

    assert result["requests"] == 100
    assert result["max_ctr_difference"] < 1e-6
    assert result["psi"]["value"] == pytest.approx(0, abs=1e-9)


def test_users_whom_the_model_knows_are_scored_as_themselves_without_their_names(tmp_path):
    users = [f"user-{number}" for number in range(50)]  # of 100
    folder = recording_with_users(tmp_path / "store", tmp_path / "recorded", users)

    code, result = replay(tmp_path / "store", folder)

    assert code == 0
    assert result["identical_requests"] == 100
    assert not any(f'"{user}"' in path.read_text() for path in files_in(folder) for user in users)


@pytest.mark.parametrize("options", [(), ("--against", "1")])
def test_users_of_a_larger_table_are_those_of_another_version(tmp_path, options):
    folder = recording_with_users(tmp_path / "store", tmp_path / "recorded", ["user-1"])
    (path,) = files_in(folder)
    record = json.loads(path.read_text().splitlines()[0]) | {"user_row": 10**12}
    path.write_text(f"{json.dumps(record)}\n")

    refusal = refusal_of("replay", folder, *options, CTR_MODEL_STORE=str(tmp_path / "store"))

    assert refusal.startswith("known@1 has no row 1000000000000 of users")


def test_another_version_knows_them_by_rows_of_its_own(tmp_path):
    users = [f"user-{number}" for number in range(50)]
    folder = recording_with_users(tmp_path / "store", tmp_path / "recorded", users)
    store = ModelStore(tmp_path / "store")
    publish_tiny_version(store.root, "known", users=[*users, "one more", "and another"])
    old, new = (
        load_version(store.load("known", version), torch.device("cpu")).encoder.vocabularies
        for version in ("1", "2")
    )
    records = list(read_records(folder))
    version = load_version(store.load("known", "2"), torch.device("cpu"))
    offline = compare(
        records, lambda *_: version, lambda *_: old["user_id"], lambda *_: UNCALIBRATED
    )

    expected = version.score(draw_requests(100))
    assert offline.requests == 100
    new_mean = offline.comparison.pairs.new_ctr_G.sum() / 100
    assert new_mean == pytest.approx(
        np.mean([ctr_of(one.logits_C, UNCALIBRATED).mean() for one in expected])
    )
    assert new["user_id"].rows != old["user_id"].rows


def test_what_is_printed_for_people_says_the_same(store, tmp_path):
    finished = run_here("replay", recording(store, tmp_path), CTR_MODEL_STORE=str(store))

    assert finished.stdout.startswith("200 of 200 requests (")


def test_a_folder_without_records_is_refused_in_one_line(store, tmp_path):
    assert refusal_of("replay", tmp_path, CTR_MODEL_STORE=str(store))
