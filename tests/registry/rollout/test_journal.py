from app.registry.model_store import ModelStore
from app.registry.rollout.journal import JOURNAL, REMEMBERED, append, records_of
from tests.artifacts import publish_tiny_version

LONG = {"event": "rolled_back", "reason": "because " * 200}


def test_the_last_records_are_kept_and_no_more(tmp_path):
    publish_tiny_version(tmp_path)
    store = ModelStore(tmp_path)

    for number in range(3 * REMEMBERED):
        append(store, "tiny", {"number": number, **LONG})

    kept = [record["number"] for record in records_of(store, "tiny")]
    assert kept == list(range(2 * REMEMBERED, 3 * REMEMBERED))


def test_a_line_that_somebody_has_broken_says_nothing(tmp_path):
    publish_tiny_version(tmp_path)
    (tmp_path / "tiny" / JOURNAL).write_text('{"event": "started"}\n{"event": "sto\n[]\n')

    assert records_of(ModelStore(tmp_path), "tiny") == [{"event": "started"}]


def test_before_the_first_rollout_there_is_nothing(tmp_path):
    publish_tiny_version(tmp_path)

    assert records_of(ModelStore(tmp_path), "tiny") == []
