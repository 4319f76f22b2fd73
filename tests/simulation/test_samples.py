"""Sample files hold what really happened, split by time, in the format that training reads."""

import csv
from collections import defaultdict
from dataclasses import replace

import pytest

from app.simulation.interactions import click_log, write_interactions
from app.simulation.samples import Split, write_samples
from app.simulation.simulate import simulate

SPLIT = Split(train_days=15, valid_days=3, test_days=3, max_history=12)
COLUMNS = (
    "label user_id item_id cate_id timestamp history_items history_cates history_timestamps "
    "true_ctr"
)


@pytest.fixture(scope="module")
def folder(small_world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    write_samples(small_world, folder, SPLIT)
    return folder


@pytest.fixture(scope="module")
def samples(folder):
    return {name: rows_of(folder / f"{name}.tsv") for name in ("train", "valid", "test")}


@pytest.fixture(scope="module")
def every_sample(samples):
    return [row for rows in samples.values() for row in rows]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_files_have_the_columns_of_the_sample_format(folder):
    for name in ("train", "valid", "test"):
        header = (folder / f"{name}.tsv").read_text().splitlines()[0]

        assert header.split("\t") == COLUMNS.split()


def test_written_row_counts_are_returned(small_world, samples, tmp_path):
    rows = write_samples(small_world, tmp_path, SPLIT)

    assert rows == {name: len(samples[name]) for name in samples}
    assert min(rows.values()) > 100


def test_every_sample_is_a_logged_impression_with_its_drawn_click(small_world, every_sample):
    log, catalog = small_world.log, small_world.catalog
    clicked = {
        (small_world.user_ids[user], catalog.item_ids[item], str(time)): str(int(click))
        for user, item, time, click in zip(
            log.user_N, log.item_N, log.timestamp_N, log.clicked_N, strict=True
        )
    }

    for row in every_sample:
        assert row["label"] == clicked[row["user_id"], row["item_id"], row["timestamp"]]
        assert row["cate_id"] == catalog.category_of(row["item_id"])


def test_every_sample_says_the_probability_that_its_label_was_drawn_with(small_world, every_sample):
    log, catalog = small_world.log, small_world.catalog
    truth = {
        (small_world.user_ids[user], catalog.item_ids[item], str(time)): ctr
        for user, item, time, ctr in zip(
            log.user_N, log.item_N, log.timestamp_N, log.true_ctr_N, strict=True
        )
    }

    for row in every_sample:
        expected = truth[row["user_id"], row["item_id"], row["timestamp"]]
        assert float(row["true_ctr"]) == pytest.approx(expected, rel=1e-5)


def test_histories_are_the_newest_clicks_strictly_before_the_target(small_world, every_sample):
    clicks = click_log(small_world)
    clicks_of = defaultdict(list)
    columns = (clicks.user_id, clicks.item_id, clicks.cate_id, clicks.timestamp)
    for user, *click in zip(*columns, strict=True):
        clicks_of[user].append(click)

    for row in every_sample:
        target = int(row["timestamp"])
        expected = [click for click in clicks_of[row["user_id"]] if click[2] < target][-12:]
        items, cates, times = zip(*expected, strict=True) if expected else ((), (), ())
        assert row["history_items"] == ",".join(items)
        assert row["history_cates"] == ",".join(cates)
        assert row["history_timestamps"] == ",".join(map(str, times))


def test_the_splits_follow_each_other_in_time(small_world, samples):
    times = {name: [int(row["timestamp"]) for row in rows] for name, rows in samples.items()}

    assert max(times["train"]) < min(times["valid"])
    assert max(times["valid"]) < min(times["test"])
    assert max(times["test"]) < small_world.config.now_s


def test_rows_lie_user_after_user_in_time_order(samples):
    for rows in samples.values():
        order = [(row["user_id"], int(row["timestamp"])) for row in rows]

        assert order == sorted(set(order))


def test_users_without_enough_history_are_left_out_on_request(small_world, tmp_path):
    write_samples(small_world, tmp_path / "all", Split(train_days=30))
    write_samples(small_world, tmp_path / "known", Split(train_days=30, min_history=1))

    with_empty = rows_of(tmp_path / "all" / "train.tsv")
    without = rows_of(tmp_path / "known" / "train.tsv")
    assert [row for row in with_empty if row["history_items"]] == without
    assert len(without) < len(with_empty)


def test_negatives_are_sampled_down_in_training_alone(small_world, samples, tmp_path):
    write_samples(small_world, tmp_path, replace(SPLIT, negatives_kept=0.2))

    fewer = {name: rows_of(tmp_path / f"{name}.tsv") for name in samples}
    assert (fewer["valid"], fewer["test"]) == (samples["valid"], samples["test"])
    assert [row for row in samples["train"] if row in fewer["train"]] == fewer["train"]
    clicks, kept_clicks = (
        [row for row in rows if row["label"] == "1"] for rows in (samples["train"], fewer["train"])
    )
    assert kept_clicks == clicks
    negatives = len(samples["train"]) - len(clicks)
    deviation = (negatives * 0.2 * 0.8) ** 0.5
    assert len(fewer["train"]) - len(clicks) == pytest.approx(0.2 * negatives, abs=4 * deviation)


def test_the_same_world_writes_identical_bytes(small_config, folder, tmp_path):
    write_samples(simulate(small_config), tmp_path, SPLIT)

    for name in ("train.tsv", "valid.tsv", "test.tsv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_interactions_are_the_clicks_of_each_user_in_time_order(small_world, tmp_path):
    count = write_interactions(small_world, tmp_path / "clicks.tsv")

    rows = rows_of(tmp_path / "clicks.tsv")
    order = [(row["user_id"], int(row["timestamp"])) for row in rows]
    assert count == len(rows) == small_world.log.clicked_N.sum()
    assert list(rows[0]) == ["user_id", "item_id", "cate_id", "timestamp"]
    assert order == sorted(set(order))
