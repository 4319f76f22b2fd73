"""Fields beside user and item, as an operator declares them: `SOURCE:NAME:KIND[:DIM]`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from app.core.schema import CANDIDATE_SOURCES, FeatureSchema, Source
from app.errors import StartupRefused

Kind = Literal["sparse", "dense"]
SOURCES: dict[str, Source] = {source: source for source in get_args(Source)}
DEFAULT_DIM = 8
LARGEST_DIM = 1024
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

# Columns that every sample file has, and the names that the schema gives them.
TAKEN_NAMES = frozenset(
    {
        "label",
        "user_id",
        "item_id",
        "cate_id",
        "category_id",
        "timestamp",
        "history_items",
        "history_cates",
        "history_timestamps",
    }
)


@dataclass(frozen=True, slots=True)
class DeclaredField:
    """A column of the samples that the model shall read; `dim` counts for sparse ones."""

    source: Source
    name: str
    kind: Kind
    dim: int = DEFAULT_DIM

    def __str__(self) -> str:
        declaration = f"{self.source}:{self.name}:{self.kind}"
        return f"{declaration}:{self.dim}" if self.kind == "sparse" else declaration

    @property
    def is_sparse(self) -> bool:
        return self.kind == "sparse"

    @property
    def of_candidate(self) -> bool:
        return self.source in CANDIDATE_SOURCES


def parse_fields(declarations: Sequence[str]) -> tuple[DeclaredField, ...]:
    """Raises StartupRefused for one that is not of the form above, and for equal names."""
    fields = tuple(map(_parse_field, declarations))
    names = [field.name for field in fields]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise StartupRefused(f"--field {repeated[0]} is declared twice: names must differ")
    return fields


def fields_of(schema: FeatureSchema) -> tuple[DeclaredField, ...]:
    """The side fields of a trained model, to read samples for it with."""
    return tuple(
        DeclaredField(field.source, field.name, "sparse", field.embedding_dim)
        if field.kind == "sparse"
        else DeclaredField(field.source, field.name, "dense")
        for field in schema.side_fields
    )


def _parse_field(declaration: str) -> DeclaredField:
    parts = declaration.split(":")
    if len(parts) not in (3, 4):
        raise _refused(declaration, "it has not three or four parts")
    source, name, kind, *dim = parts
    if source not in SOURCES:
        raise _refused(declaration, f"SOURCE is one of {', '.join(SOURCES)}")
    if not NAME.fullmatch(name) or name in TAKEN_NAMES:
        raise _refused(declaration, f"{name!r} cannot name a field: a-z, 0-9 and _, not yet taken")
    match kind:
        case "dense" if not dim:
            return DeclaredField(SOURCES[source], name, "dense")
        case "sparse":
            return DeclaredField(SOURCES[source], name, "sparse", _parse_dim(declaration, dim))
        case _:
            raise _refused(declaration, "KIND is sparse, with a DIM if you like, or dense")


def _parse_dim(declaration: str, dim: Sequence[str]) -> int:
    if not dim:
        return DEFAULT_DIM
    if not dim[0].isdecimal() or not 1 <= int(dim[0]) <= LARGEST_DIM:
        raise _refused(declaration, f"DIM is 1..{LARGEST_DIM}")
    return int(dim[0])


def _refused(declaration: str, reason: str) -> StartupRefused:
    return StartupRefused(
        f"--field {declaration}: {reason}; write SOURCE:NAME:KIND[:DIM], "
        "such as context:device:sparse:8 or candidate:price:dense"
    )
