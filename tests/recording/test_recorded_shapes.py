"""How large requests have been lately is read from what was recorded of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch

from app.core.request import BehaviorSequence, Candidates, UserContext
from app.recording.recorded_shapes import MOST_SHAPES, READ_BYTES, recent_shapes
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from tests.artifacts import publish_tiny_version
from tests.recording.records import origin_of, recorder_in


def line(candidates: int, behaviors: int, *, model: str = "tiny", padding: int = 0) -> bytes:
    """As much of a record as says how large the request was."""
    record = {
        "model": model,
        "logits": [0.0] * candidates,
        "timestamps": [0] * behaviors,
        "context": {"page": "x" * padding},
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def write(folder: Path, lines: Sequence[bytes], *, file: str = "requests-1.jsonl") -> Path:
    (folder / file).write_bytes(b"".join(lines))
    return folder


def test_what_the_recorder_writes_is_counted(tmp_path):
    publish_tiny_version(tmp_path / "store", max_behaviors=20)
    artifact = ModelStore(tmp_path / "store").load("tiny", "1")
    version = load_version(artifact, torch.device("cpu"), "reference")
    behaviors = BehaviorSequence(np.ones((12, 2), np.uint64), np.arange(12, dtype=np.uint32))
    candidates = Candidates(["ad"] * 30, [None] * 30, {})

    with recorder_in(tmp_path / "recorded") as recorder:
        user = UserContext("user-1", behaviors)
        recorder.record(
            origin_of(version), user, candidates, np.zeros(30, np.float32), lambda _: None
        )

    assert recorder.recent_shapes("tiny") == [(30, 12)]


def test_the_most_frequent_kinds_are_shown_by_their_largest_request(tmp_path):
    often = [line(candidates, 40) for candidates in range(20, 30)]
    seldom = [line(3, 1), line(2, 1)]

    write(tmp_path, seldom + often)

    assert recent_shapes(tmp_path, "tiny") == [(29, 40), (3, 1)]


def test_the_largest_request_is_shown_however_seldom_it_is(tmp_path):
    often = [line(2**kind, 0) for kind in range(MOST_SHAPES) for _ in range(10)]

    write(tmp_path, [line(900, 50), *often])

    shapes = recent_shapes(tmp_path, "tiny")
    assert shapes[0] == (900, 50)
    assert len(shapes) == MOST_SHAPES


def test_requests_to_other_models_do_not_count(tmp_path):
    write(tmp_path, [line(5, 5), line(100, 50, model="other")])

    assert recent_shapes(tmp_path, "tiny") == [(5, 5)]


def test_only_the_newest_records_are_read(tmp_path):
    padding = READ_BYTES // 8
    write(tmp_path, [line(700, 7)], file="requests-1.jsonl")
    write(tmp_path, [line(500, 5), *[line(9, 9, padding=padding)] * 9], file="requests-2.jsonl")

    assert recent_shapes(tmp_path, "tiny") == [(9, 9)]


def test_an_older_file_is_read_while_the_newest_has_little(tmp_path):
    write(tmp_path, [line(70, 7)], file="requests-1.jsonl")
    write(tmp_path, [line(9, 9)], file="requests-2.jsonl")

    assert set(recent_shapes(tmp_path, "tiny")) == {(70, 7), (9, 9)}


def test_what_is_cut_off_or_no_record_is_left_out(tmp_path):
    rubbish = [b"not JSON\n", b"[]\n", b"{}\n", b'{"model": "tiny", "logits": 3}\n', b"\n"]

    write(tmp_path, [*rubbish, line(4, 2), line(100, 50)[:-1]])

    assert recent_shapes(tmp_path, "tiny") == [(4, 2)]


@pytest.mark.parametrize("folder", [".", "missing"])
def test_where_nothing_is_recorded_there_are_none(tmp_path, folder):
    assert recent_shapes(tmp_path / folder, "tiny") == []
