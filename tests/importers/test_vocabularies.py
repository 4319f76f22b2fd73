"""Ids find the row of the library's index, whatever they are called."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.keys import keys_of
from app.core.schema import OOV_ROW, PAD_ROW
from app.errors import StartupRefused
from app.importers.source_model import CategoricalFeature
from app.importers.vocabularies import (
    IndexedIds,
    decimal_ids,
    ids_of_file,
    read_vocabulary_file,
    table_of,
)

SHOP = CategoricalFeature("shop", torch.arange(8.0).reshape(4, 2), oov_index=3)


def embeddings_of(ids: IndexedIds, *raw_ids: str) -> list[list[float]]:
    vocabulary, table_RE = table_of(SHOP, ids)
    rows: list[list[float]] = table_RE[vocabulary.rows_of(keys_of(raw_ids))].tolist()
    return rows


def from_file(tmp_path: Path, content: Any, feature: CategoricalFeature = SHOP) -> IndexedIds:
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(content))
    return ids_of_file(feature, read_vocabulary_file(path), path)


def test_without_a_file_ids_are_the_indices() -> None:
    ids = decimal_ids(SHOP)

    assert embeddings_of(ids, "0", "2") == SHOP.table_VE[[0, 2]].tolist()
    assert embeddings_of(ids, "4", "", "shop") == [SHOP.table_VE[3].tolist()] * 3


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 3)))
def test_any_ids_get_the_embeddings_of_their_indices(indices: dict[str, int]) -> None:
    ids = IndexedIds(indices, oov_index=1)

    found = embeddings_of(ids, *indices)

    assert found == SHOP.table_VE[list(indices.values())].tolist()
    vocabulary, table_RE = table_of(SHOP, ids)
    assert len(table_RE) == vocabulary.rows
    assert table_RE[PAD_ROW].tolist() == [0.0, 0.0]
    assert table_RE[OOV_ROW].tolist() == SHOP.table_VE[1].tolist()


def test_a_file_of_fuxictr_says_where_unknown_ids_go(tmp_path: Path) -> None:
    written = {"shop": {"__PAD__": 0, "corner": 1, "__OOV__": 2}, "history": {"x": 9}}

    ids = from_file(tmp_path, written)

    assert embeddings_of(ids, "corner") == [SHOP.table_VE[1].tolist()]
    assert embeddings_of(ids, "__PAD__", "nowhere") == [SHOP.table_VE[2].tolist()] * 2


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({}, "no ids of shop"),
        ({"shop": {"corner": 4}}, "index 4"),
        ({"shop": {"corner": -1}}, "index -1"),
        ({"shop": {"": 1}}, "empty id"),
        ({"shop": {"corner": "one"}}, "shop.corner"),
        ([1], "object"),
    ],
    ids=["feature", "too-large", "negative", "empty", "text", "list"],
)
def test_a_file_that_does_not_fit_is_refused(content: Any, named: str, tmp_path: Path) -> None:
    with pytest.raises(StartupRefused, match=named) as refused:
        from_file(tmp_path, content)

    assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupRefused, match=r"nothing\.json"):
        read_vocabulary_file(tmp_path / "nothing.json")
