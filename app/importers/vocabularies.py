"""Ids of imported features: decimal indices, or those that a vocabulary file gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor

from app.core.keys import keys_of
from app.core.schema import OOV_ROW
from app.errors import StartupRefused
from app.features.vocabulary import Vocabulary
from app.importers.config_file import parse_config
from app.importers.source_model import CategoricalFeature

# V indices of the library, R rows of our table, E embedding

# What FuxiCTR's feature_vocab.json has among the ids: padding, and where unknown ids go.
PADDING, UNKNOWN = "__PAD__", "__OOV__"

Indices = Mapping[str, int]  # by raw id
_FILE = TypeAdapter(dict[str, dict[str, int]])


@dataclass(frozen=True, slots=True)
class IndexedIds:
    """The ids of a feature with the library's index of each."""

    index_of: Indices
    oov_index: int


def read_vocabulary_file(path: Path) -> Mapping[str, Indices]:
    """`{feature: {raw id: index}}`, as FuxiCTR writes it. Raises StartupRefused."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StartupRefused(f"{path}: {error.strerror}") from error
    return parse_config(path, content, _FILE)


def decimal_ids(feature: CategoricalFeature) -> IndexedIds:
    """ "0", "1", ...: index 0 too, which is padding in histories but a row like any other."""
    indices = {str(index): index for index in range(len(feature.table_VE))}
    return IndexedIds(indices, feature.oov_index)


def ids_of_file(feature: CategoricalFeature, file: Mapping[str, Indices], path: Path) -> IndexedIds:
    """Raises StartupRefused for a feature that the file leaves out, or an index without a row."""
    if feature.name not in file:
        raise StartupRefused(f"{path} has no ids of {feature.name}")
    indices = dict(file[feature.name])
    rows = len(feature.table_VE)
    for raw_id, index in indices.items():
        if not 0 <= index < rows:
            raise StartupRefused(
                f"{path}: {feature.name} {raw_id!r} has index {index}, its table {rows} rows"
            )
    if "" in indices:
        raise StartupRefused(
            f"{path}: {feature.name} has an empty id, which is a missing value here"
        )
    indices.pop(PADDING, None)
    return IndexedIds(indices, indices.pop(UNKNOWN, feature.oov_index))


def table_of(feature: CategoricalFeature, ids: IndexedIds) -> tuple[Vocabulary, Tensor]:
    """The vocabulary of these ids and its table [R, E]: padding is zero, unknown ids have a row."""
    try:
        vocabulary = Vocabulary.of(ids.index_of)
    except ValueError as error:
        raise StartupRefused(f"{feature.name}: {error}") from error
    table_RE = torch.zeros(vocabulary.rows, feature.table_VE.shape[1])
    table_RE[OOV_ROW] = feature.table_VE[ids.oov_index]
    rows = torch.from_numpy(vocabulary.rows_of(keys_of(ids.index_of)))
    table_RE[rows] = feature.table_VE[list(ids.index_of.values())]
    return vocabulary, table_RE
