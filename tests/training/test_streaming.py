"""Samples in chunks: the same features, all rows, and never more than one chunk in memory."""

import weakref
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from app.core.schema import FeatureSchema
from app.errors import StartupRefused
from app.registry.model_store import ModelStore
from app.training.columns import IdColumn
from app.training.encoded_split import EncodedSplit
from app.training.encoding import EncodedSamples, encode_samples
from app.training.features import FeatureOptions, learn_features
from app.training.id_users import IdUsers
from app.training.moments import Moments
from app.training.origin import StartingPoint
from app.training.prediction import predict
from app.training.progress import Unwatched
from app.training.sample_split import ReadingOptions, SampleSplit
from app.training.samples import Samples
from app.training.scored_split import score_split
from app.training.side_fields import parse_fields
from app.training.step_sampler import StepSampler
from app.training.trainer import train_model
from tests.training.builders import QUICK, SMALL_DIEN, sample
from tests.training.commands import train_planted
from tests.training.planted_world import PlantedWorld

ROWS, CHUNK = 1600, 300
FIELDS = parse_fields(("context:device:sparse:3", "candidate:price:dense"))


@pytest.fixture(scope="module")
def parquet(world: PlantedWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted samples once more; their histories are text."""
    folder = tmp_path_factory.mktemp("parquet")
    for split in ("train", "valid", "test"):
        table = pl.read_csv(world.folder / f"{split}.tsv", separator="\t", infer_schema=False)
        table.write_parquet(folder / f"{split}.parquet", row_group_size=128)
    return folder


def split_of(folder: Path, chunk_rows: int | None, name: str = "train") -> SampleSplit:
    return SampleSplit(folder / f"{name}.parquet", FIELDS, ReadingOptions(chunk_rows=chunk_rows))


def encoded(world: PlantedWorld, folder: Path, name: str = "train") -> EncodedSplit:
    return EncodedSplit.encoding(split_of(folder, CHUNK, name), world.features)


def test_chunks_put_together_are_the_file(parquet: Path) -> None:
    (whole,) = split_of(parquet, None)

    split = split_of(parquet, CHUNK)
    chunks = list(split)

    assert split.chunk_rows == [300, 300, 300, 300, 300, 100]
    assert [len(chunk) for chunk in chunks] == split.chunk_rows
    labels = np.concatenate([chunk.labels_C for chunk in chunks])
    np.testing.assert_array_equal(labels, whole.labels_C)
    items = [item for chunk in chunks for item in chunk.candidates.ids["item_id"][:]]
    assert items == whole.candidates.ids["item_id"][:]


def test_the_first_rows_may_be_chunks_too(parquet: Path) -> None:
    options = ReadingOptions(limit_rows=700, chunk_rows=CHUNK)

    assert SampleSplit(parquet / "train.parquet", FIELDS, options).chunk_rows == [300, 300, 100]


@pytest.mark.parametrize("min_count", [1, 40])
@pytest.mark.parametrize("chunk_rows", [70, CHUNK])
def test_features_learned_in_chunks_are_those_of_the_whole(
    parquet: Path, chunk_rows: int, min_count: int
) -> None:
    options = FeatureOptions(min_count=min_count, user_id=True, side_fields=FIELDS)

    whole = learn_features(split_of(parquet, None), options)
    in_chunks = learn_features(split_of(parquet, chunk_rows), options)

    assert in_chunks.vocabularies.keys() == whole.vocabularies.keys()
    for name, vocabulary in whole.vocabularies.items():
        assert in_chunks.vocabularies[name].to_bytes() == vocabulary.to_bytes()
    assert len(whole.vocabularies["item_id"].keys_V) > 5
    _, price = whole.schema.side_fields
    _, other = in_chunks.schema.side_fields
    assert (other.mean, other.std) == pytest.approx((price.mean, price.std))


meetings = st.lists(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5)), max_size=12), max_size=4
)


@given(meetings, st.integers(1, 4))
def test_an_id_is_known_once_enough_users_have_met_it(
    chunks: list[list[tuple[str, int]]], enough: int
) -> None:
    ids, met = IdUsers(enough), defaultdict(set)

    for chunk in chunks:
        column = IdColumn.of(pl.Series([raw_id for raw_id, _ in chunk], dtype=pl.String))
        ids.add(column, np.array([user for _, user in chunk], np.uint64))
        for raw_id, user in chunk:
            met[raw_id].add(user)

    assert set(ids.known()) == {raw_id for raw_id, users in met.items() if len(users) >= enough}


numbers = st.one_of(st.floats(-1e6, 1e6), st.just(np.nan))


@given(st.lists(st.lists(numbers, max_size=8), max_size=5))
def test_moments_of_chunks_are_those_of_all_numbers(chunks: list[list[float]]) -> None:
    moments = Moments()

    for chunk in chunks:
        moments.add(np.array(chunk, np.float64))

    together = np.array([number for chunk in chunks for number in chunk if not np.isnan(number)])
    assert moments.count == len(together)
    if len(together):
        assert moments.mean == pytest.approx(together.mean(), abs=1e-6)
        assert moments.std == pytest.approx(together.std(), rel=1e-6, abs=1e-6)


def test_an_epoch_has_every_row_once_and_chunks_in_a_new_order(
    world: PlantedWorld, parquet: Path
) -> None:
    split = encoded(world, parquet)
    orders = []
    sampler = StepSampler(split, QUICK, np.random.default_rng(0))

    for _ in range(2):
        rows = [rows for _, rows in sampler.steps()]
        orders.append(rows.index(min(rows)))
        assert sum(rows) == ROWS
        assert len(rows) == sampler.steps_per_epoch

    assert orders[0] != orders[1]  # the short last chunk came at another time


class ResidentRows:
    """How many rows of a split's chunks are in memory, and were at most."""

    def __init__(self, split: EncodedSplit, schema: FeatureSchema) -> None:
        self._loaded = split
        self._now = 0
        self.most = 0
        self.split = EncodedSplit(split.chunk_rows, self._load, schema)

    def _load(self, index: int) -> EncodedSamples:
        chunk = self._loaded.chunk(index)
        rows = len(chunk.labels_C)
        # Of its own, so that nothing else keeps it alive.
        behaviors_NF = chunk.batch.behaviors_NF.copy()
        self._now += rows
        self.most = max(self.most, self._now)
        weakref.finalize(behaviors_NF, self._forget, rows)
        return replace(chunk, batch=structs.replace(chunk.batch, behaviors_NF=behaviors_NF))

    def _forget(self, rows: int) -> None:
        self._now -= rows


def test_training_never_holds_more_rows_than_a_chunk(world: PlantedWorld, parquet: Path) -> None:
    train, valid = (
        ResidentRows(encoded(world, parquet, name), world.features.schema)
        for name in ("train", "valid")
    )
    start = StartingPoint(SMALL_DIEN, world.features)

    train_model(start, (train.split, valid.split), replace(QUICK, epochs=2), Unwatched())

    assert (train.most, valid.most) == (CHUNK, CHUNK)


def test_learning_features_never_holds_more_rows_than_a_chunk(parquet: Path) -> None:
    split, now, most = split_of(parquet, CHUNK), 0, 0

    def forget(rows: int) -> None:
        nonlocal now
        now -= rows

    def chunks() -> Iterator[Samples]:
        nonlocal now, most
        for index in range(len(split.chunk_rows)):
            samples = split.chunk(index)
            now += len(samples)
            most = max(most, now)
            weakref.finalize(samples.labels_C, forget, len(samples))
            yield samples
            del samples

    learn_features(chunks(), FeatureOptions())

    assert most == CHUNK


def test_a_chunk_is_kept_until_another_is_asked_for(world: PlantedWorld) -> None:
    asked: list[int] = []

    def load(index: int) -> EncodedSamples:
        asked.append(index)
        return world.splits["valid"]

    split = EncodedSplit([ROWS, ROWS], load, world.features.schema)

    for index in (0, 0, 1, 1, 0):
        split.chunk(index)

    assert asked == [0, 1, 0]


def test_chunks_learn_about_as_well_as_the_whole(world: PlantedWorld, parquet: Path) -> None:
    parts = encoded(world, parquet), encoded(world, parquet, "valid")
    options = replace(QUICK, epochs=4)

    in_chunks = train_model(StartingPoint(SMALL_DIEN, world.features), parts, options, Unwatched())

    whole = world.train(options)
    best, of_whole = (max(epoch.valid.auc for epoch in run.epochs) for run in (in_chunks, whole))
    assert best > of_whole - 0.05


def test_scores_of_chunks_are_those_of_the_whole(world: PlantedWorld, parquet: Path) -> None:
    model = world.train(replace(QUICK, epochs=1)).model
    (raw,) = split_of(parquet, None, "valid")
    whole = encode_samples(raw, world.features)

    scored = score_split(model, encoded(world, parquet, "valid"))

    np.testing.assert_allclose(scored.logits_C, predict(model, whole), atol=1e-6)
    np.testing.assert_array_equal(scored.labels_C, whole.labels_C)
    np.testing.assert_array_equal(scored.user_ids_C, whole.user_ids_C)


def test_counts_of_chunks_are_those_of_the_whole(world: PlantedWorld, parquet: Path) -> None:
    in_chunks = encoded(world, parquet).counts

    whole = world.split("train").counts

    assert (in_chunks.rows, in_chunks.clicks) == (whole.rows, whole.clicks)
    np.testing.assert_array_equal(in_chunks.clicks_V, whole.clicks_V)
    for name in ("rows_GF", "clicks_G", "others_G"):
        np.testing.assert_array_equal(
            getattr(in_chunks.candidates, name), getattr(whole.candidates, name)
        )
    ads = whole.candidates
    assert (ads.clicks_G.sum(), (ads.clicks_G + ads.others_G).sum()) == (whole.clicks, whole.rows)


def test_the_command_trains_in_chunks_and_says_so(parquet: Path, tmp_path: Path) -> None:
    whole = train_planted(parquet, tmp_path)
    in_chunks = train_planted(parquet, tmp_path, "--chunk-rows=1000")

    store = ModelStore(tmp_path)
    manifest = store.load("ads", "2").manifest
    assert manifest.training.options["chunk_rows"] == 1000
    assert set(manifest.training.samples) == {f"{s}.parquet" for s in ("train", "valid", "test")}
    assert in_chunks["popularity"] == whole["popularity"]
    assert in_chunks["prior_ctr"] == whole["prior_ctr"]
    for name, vocabulary in store.load("ads", "1").vocabularies.items():
        np.testing.assert_array_equal(
            store.load("ads", "2").vocabularies[name].keys_V, vocabulary.keys_V
        )


def test_text_cannot_be_read_in_chunks(world: PlantedWorld, tmp_path: Path) -> None:
    with pytest.raises(StartupRefused, match=r"--chunk-rows needs .* text can only"):
        train_planted(world.folder, tmp_path, "--chunk-rows=1000")


def test_labels_that_are_all_alike_are_refused_before_any_chunk_is_read(tmp_path: Path) -> None:
    pl.DataFrame([dict(sample(1))] * 20, strict=False).write_parquet(tmp_path / "train.parquet")

    with pytest.raises(StartupRefused, match="all labels are 1"):
        SampleSplit(tmp_path / "train.parquet", (), ReadingOptions(chunk_rows=5))


def test_a_bad_row_of_a_later_chunk_is_named_as_the_file_has_it(tmp_path: Path) -> None:
    rows = [dict(sample(row % 2)) for row in range(20)]
    rows[13] |= {"label": 5}
    pl.DataFrame(rows, strict=False).write_parquet(tmp_path / "train.parquet")

    with pytest.raises(StartupRefused, match="row 14: label is '5'"):
        list(SampleSplit(tmp_path / "train.parquet", (), ReadingOptions(chunk_rows=5)))


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text("label\tuser_id")

    with pytest.raises(StartupRefused, match="cannot be read as Parquet"):
        SampleSplit(tmp_path / "train.parquet", (), ReadingOptions(chunk_rows=5))
