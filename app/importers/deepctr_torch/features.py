"""Which columns of a DeepCTR-Torch model are target, history and beside them, in its own order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.errors import StartupRefused
from app.importers.deepctr_torch.config import (
    HISTORY_PREFIX,
    DinFile,
    EmbeddedColumn,
    ModelFile,
    SequenceColumn,
    SparseColumn,
)

AnyColumn = TypeVar("AnyColumn", bound=EmbeddedColumn)


@dataclass(frozen=True, slots=True)
class HistoryColumns:
    """The target's features and those of the behaviors, as each of them is concatenated."""

    query: Sequence[SparseColumn]
    keys: Sequence[SequenceColumn]

    @property
    def query_order(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.query)

    @property
    def key_order(self) -> tuple[str, ...]:
        """The target's features that the keys stand for."""
        return tuple(column.name.removeprefix(HISTORY_PREFIX) for column in self.keys)

    @property
    def width(self) -> int:
        """Of one embedded behavior."""
        return sum(column.embedding_dim for column in self.query)

    @property
    def key_widths(self) -> list[tuple[str, int]]:
        """The targets that keys stand for, with the widths of their embeddings."""
        return [
            (name, column.embedding_dim)
            for name, column in zip(self.key_order, self.keys, strict=True)
        ]

    @property
    def max_length(self) -> int:
        return self.keys[0].maxlen


def history_columns(file: ModelFile) -> HistoryColumns:
    """Raises StartupRefused for histories that the library or this service cannot have."""
    wanted = set(file.history_feature_list)
    sparse, sequences = file.columns(SparseColumn), file.columns(SequenceColumn)
    history_names = {HISTORY_PREFIX + name for name in wanted}
    columns = HistoryColumns(
        in_groups([column for column in sparse if column.name in wanted]),
        in_groups([column for column in sequences if column.name in history_names]),
    )
    for name in sorted(wanted):
        if name not in columns.query_order:
            raise StartupRefused(f"history_feature_list names {name}, which is no sparse column")
        if name not in columns.key_order:
            raise StartupRefused(f"{name} has no column {HISTORY_PREFIX}{name} with its history")
    _check_shared(columns)
    _check_lengths(columns, sequences)
    return columns


def in_groups(columns: Sequence[AnyColumn]) -> list[AnyColumn]:
    """As the library looks embeddings up: group after group, in the order they first occur."""
    groups: dict[str, list[AnyColumn]] = {}
    for column in columns:
        groups.setdefault(column.group_name, []).append(column)
    return [column for group in groups.values() for column in group]


def check_every_sequence_is_history(file: DinFile, history: HistoryColumns) -> None:
    """Raises StartupRefused for a sequence that DIN would pool beside the history."""
    for column in file.columns(SequenceColumn):
        if column not in history.keys:
            raise StartupRefused(
                f"{column.name} is a sequence beside the history, which DIN pools "
                f"({column.combiner}): this service knows one history"
            )


def check_same_order(history: HistoryColumns) -> None:
    """Raises StartupRefused where attention compares features that are not of a kind."""
    if history.key_order != history.query_order:
        raise StartupRefused(
            f"DIN compares {' '.join(history.query_order)} of the candidate with "
            f"{' '.join(history.key_order)} of the behaviors, in the order of their columns: "
            "features that are not of a kind cannot be compared here"
        )


def table_shapes(file: ModelFile) -> Mapping[str, tuple[int, int]]:
    """Rows and width of each table: of columns that share one, the library lets the last decide.

    Raises StartupRefused where a column would get embeddings of another width than its own.
    """
    columns: list[EmbeddedColumn] = [*file.columns(SparseColumn), *file.columns(SequenceColumn)]
    shapes = {column.table: (column.vocabulary_size, column.embedding_dim) for column in columns}
    for column in columns:
        _, width = shapes[column.table]
        if column.embedding_dim != width:
            raise StartupRefused(
                f"{column.name} says embedding_dim {column.embedding_dim}, but shares the table "
                f"{column.table} with a column that makes it {width}"
            )
    return shapes


def _check_shared(columns: HistoryColumns) -> None:
    table_of = {column.name: column.table for column in columns.query}
    for name, column in zip(columns.key_order, columns.keys, strict=True):
        if column.table != table_of[name]:
            raise StartupRefused(
                f"{column.name} does not share the embeddings of {name} (embedding_name "
                f"{column.table}): behaviors and candidates have the same tables here"
            )


def _check_lengths(columns: HistoryColumns, sequences: Sequence[SequenceColumn]) -> None:
    lengths = [column.length_name for column in sequences if column.length_name is not None]
    if not lengths:
        raise StartupRefused("no sequence column has a length_name, which the library needs")
    if lengths[0] not in {column.length_name for column in columns.keys}:
        raise StartupRefused(
            f"the library takes the length of the history from {lengths[0]}, the first length_name "
            "of all columns, which is not that of a history"
        )
    if len({column.maxlen for column in columns.keys}) > 1:
        raise StartupRefused("the columns of the history differ in maxlen")
