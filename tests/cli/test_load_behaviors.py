"""`ctr-serve load-behaviors`: a log becomes histories in a real Redis."""

import gzip
import json
from pathlib import Path

import pytest
from redis import Redis

from app.core.keys import key_of
from app.features.behavior_codec import redis_key, unpack
from tests.cli.commands import ctr_serve, refusal_of, run_here

LOG = "who\titem_id\tcate_id\twhen\nada\tb\tx\t20\nbob\ta\ty\t5\nada\ta\ty\t10\nada\tc\tx\t30\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.tsv.gz"
    path.write_bytes(gzip.compress(LOG.encode()))
    return path


COLUMNS = ("--user-column", "who", "--time-column", "when")


def item_keys(redis_url: str, user_id: str) -> list[int]:
    with Redis.from_url(redis_url) as client:
        value = client.get(redis_key(user_id))
    return unpack(user_id, value).keys_TF[:, 0].tolist()


def test_every_user_gets_their_events_in_time_order(log: Path, redis_url: str) -> None:
    finished = ctr_serve("load-behaviors", str(log), *COLUMNS, "--json", CTR_REDIS_URL=redis_url)

    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert (result["users"], result["events"]) == (2, 4)
    assert result["events_per_s"] > 0
    assert item_keys(redis_url, "ada") == [key_of("a"), key_of("b"), key_of("c")]
    assert item_keys(redis_url, "bob") == [key_of("a")]


def test_loading_twice_changes_nothing_and_targets_can_be_held_out(
    log: Path, redis_url: str
) -> None:
    for _ in range(2):
        finished = run_here(
            *("load-behaviors", log, *COLUMNS, "--hold-out", "1", "--json"),
            CTR_REDIS_URL=redis_url,
        )

    assert json.loads(finished.stdout)["events"] == 2
    assert item_keys(redis_url, "ada") == [key_of("a"), key_of("b")]
    assert item_keys(redis_url, "bob") == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "CTR_REDIS_URL"),
        ({"CTR_REDIS_URL": "redis://127.0.0.1:1/0"}, "CTR_REDIS_URL"),
        ({"CTR_REDIS_URL": "nonsense"}, "CTR_REDIS_URL"),
    ],
    ids=["unset", "nobody-listens", "not-a-url"],
)
def test_without_a_redis_it_says_so_in_one_line(
    log: Path, settings: dict[str, str], says: str
) -> None:
    assert says in refusal_of("load-behaviors", log, *COLUMNS, **settings)
