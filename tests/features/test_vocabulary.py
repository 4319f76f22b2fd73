"""Which row an id has: the same after any journey, OOV for the unknown, padding for nobody."""

from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from safetensors.torch import save as save_torch

from app.core.keys import key_of, keys_of
from app.core.schema import FIRST_ID_ROW, OOV_ROW, PAD_ROW
from app.features.vocabulary import Vocabulary

raw_ids = st.text()
id_sets = st.sets(raw_ids, max_size=30)

FEW = Vocabulary.of(["b", "a", "ü🙂"])


def opened(content: bytes) -> Vocabulary:
    """As a file with this content is, looked at as a whole and in parts, which agree."""
    with NamedTemporaryFile(suffix=".safetensors") as file:  # what is mapped outlives its name
        file.write(content)
        file.flush()
        verdicts = {_verdict(Path(file.name), ids_at_a_time) for ids_at_a_time in (1, 2, 1000)}
        assert len(verdicts) == 1
        return Vocabulary.open(Path(file.name))


def _verdict(path: Path, ids_at_a_time: int) -> str:
    try:
        Vocabulary.open(path, ids_at_a_time=ids_at_a_time)
    except ValueError as error:
        return str(error)
    return "well-formed"


@given(id_sets)
def test_every_known_id_has_its_own_row_and_is_named_by_its_key(ids):
    vocabulary = Vocabulary.of(ids)
    known = sorted(ids - {""})

    rows = vocabulary.rows_of(keys_of(known)).tolist()

    assert sorted(rows) == list(range(FIRST_ID_ROW, FIRST_ID_ROW + len(known)))
    assert vocabulary.rows == FIRST_ID_ROW + len(known)
    assert [vocabulary.raw_id(key_of(raw_id)) for raw_id in known] == known


@given(id_sets, st.lists(raw_ids, max_size=30))
def test_an_unknown_id_has_the_oov_row_and_nothing_has_the_padding(ids, asked):
    vocabulary = Vocabulary.of(ids)

    rows = vocabulary.rows_of(keys_of(asked))

    assert rows.dtype == np.int64
    assert PAD_ROW not in rows
    assert [row == OOV_ROW for row in rows] == [raw_id not in ids or not raw_id for raw_id in asked]
    assert all(vocabulary.raw_id(key_of(raw_id)) is None for raw_id in asked if raw_id not in ids)


@given(id_sets)
def test_the_order_of_the_ids_and_repetition_do_not_matter(ids):
    vocabulary = Vocabulary.of([*ids, *ids])

    assert vocabulary.to_bytes() == Vocabulary.of(sorted(ids, reverse=True)).to_bytes()


@given(id_sets)
def test_bytes_bring_the_same_vocabulary_back(ids):
    vocabulary = Vocabulary.of(ids)

    restored = opened(vocabulary.to_bytes())

    assert restored.to_bytes() == vocabulary.to_bytes()
    assert restored.rows_of(vocabulary.keys_V).tolist() == list(range(2, vocabulary.rows))


def test_an_empty_vocabulary_knows_nobody():
    vocabulary = opened(Vocabulary.of([]).to_bytes())

    assert vocabulary.rows == FIRST_ID_ROW
    assert vocabulary.rows_of(keys_of(["a", ""])).tolist() == [OOV_ROW, OOV_ROW]
    assert vocabulary.raw_id(key_of("a")) is None


def test_no_keys_have_no_rows():
    assert FEW.rows_of(keys_of([])).tolist() == []


def test_the_smallest_and_the_largest_key_are_only_known_if_they_are():
    extremes = np.array([0, 2**64 - 1], np.uint64)

    assert FEW.rows_of(extremes).tolist() == [OOV_ROW, OOV_ROW]
    assert FEW.raw_id(0) is None
    assert FEW.raw_id(2**64 - 1) is None


def test_a_missing_id_is_never_known():
    assert Vocabulary.of(["", "a"]).rows_of(keys_of([""])).tolist() == [OOV_ROW]


def test_two_ids_with_one_key_are_refused():
    first, second = "i5801", "07*ax3<N"
    assert key_of(first) == key_of(second)

    with pytest.raises(ValueError, match="same xxh3-64 key"):
        Vocabulary.of([first, "a", second])


def changed(**arrays: object) -> bytes:
    """A small well-formed vocabulary's file with some of its arrays replaced."""
    tensors = load(FEW.to_bytes())
    types = {"keys": np.uint64, "id_ends": np.int64}
    for name, values in arrays.items():
        tensors[name] = (
            np.frombuffer(values, np.uint8)
            if isinstance(values, bytes)
            else np.asarray(values, types.get(name))
        )
    return save(tensors)


WHOLE = FEW.to_bytes()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not safetensors at all", id="not safetensors"),
        pytest.param(WHOLE[:-1], id="truncated"),
        pytest.param(WHOLE[:20], id="truncated in the header"),
        pytest.param(WHOLE + b"\x00", id="a byte too many"),
        pytest.param(changed(keys=FEW.keys_V[::-1].copy()), id="keys out of order"),
        pytest.param(changed(keys=[5, 5, 6]), id="two ids with one key"),
        pytest.param(changed(keys=FEW.keys_V[:-1]), id="fewer keys than ids"),
        pytest.param(changed(keys=FEW.keys_V[:0], id_ends=[]), id="ids of nobody"),
        pytest.param(changed(id_ends=[1, 1, 6]), id="an empty id"),
        pytest.param(changed(id_ends=[2, 1, 6]), id="an id that ends before it starts"),
        pytest.param(changed(id_ends=[-1, 1, 6]), id="an id that ends before everything"),
        pytest.param(changed(id_ends=[1, 2, 99]), id="ids past the end"),
        pytest.param(changed(id_ends=[1, 2, 3]), id="bytes past the last id"),
        pytest.param(changed(id_bytes=b"ab\xff\xff\xff\xffgh"), id="ids that are not UTF-8"),
        pytest.param(
            changed(keys=[1, 2], id_ends=[2, 3], id_bytes="aü".encode()),
            id="an id that ends within a character",
        ),
        pytest.param(save({"keys": FEW.keys_V}), id="only keys"),
        pytest.param(
            save({**load(WHOLE), "more": np.zeros(1, np.uint8)}), id="an array that it has not"
        ),
        pytest.param(save({**load(WHOLE), "keys": FEW.keys_V.astype(np.int64)}), id="signed keys"),
        pytest.param(
            save({**load(WHOLE), "id_bytes": FEW.id_bytes.reshape(-1, 1)}), id="a table of bytes"
        ),
        pytest.param(
            save(
                {
                    "keys": np.array(1, np.uint64),
                    "id_ends": np.array(1, np.int64),
                    "id_bytes": np.zeros(1, np.uint8),
                }
            ),
            id="numbers instead of lists",
        ),
        pytest.param(
            save_torch({"keys": torch.zeros(2, dtype=torch.bfloat16)}), id="a type of torch"
        ),
    ],
)
def test_what_is_not_a_vocabulary_is_refused(content):
    with pytest.raises(ValueError, match="not a vocabulary"):
        opened(content)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(content):
    with pytest.raises(ValueError, match="not a vocabulary"):
        opened(content)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_still_well_formed(position, flip):
    content = bytearray(WHOLE)
    content[position] ^= flip

    try:
        vocabulary = opened(bytes(content))
    except ValueError:
        return

    assert all(vocabulary.raw_id(int(key)) for key in vocabulary.keys_V)


@given(raw_ids=st.sets(st.text(min_size=1), min_size=1), data=st.data())
def test_a_part_of_a_vocabulary_is_the_vocabulary_of_that_part(raw_ids, data):
    whole = Vocabulary.of(raw_ids)
    kept = data.draw(st.lists(st.booleans(), min_size=len(raw_ids), max_size=len(raw_ids)))

    part = whole.keeping(np.array(kept))

    left = [whole.raw_id(key) for key, stays in zip(whole.keys_V, kept, strict=True) if stays]
    assert part.to_bytes() == Vocabulary.of(left).to_bytes()


def test_keys_are_searched_in_memory_whatever_becomes_of_the_file(tmp_path):
    vocabulary = Vocabulary.of(f"item-{number}" for number in range(5_000))
    path = tmp_path / "vocabulary.safetensors"
    path.write_bytes(vocabulary.to_bytes())

    opened = Vocabulary.open(path)
    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)

    keys = keys_of(["item-7", "item-4999", "never seen"])
    assert opened.rows_of(keys).tolist() == vocabulary.rows_of(keys).tolist()
