"""Which features a model reads, and how: shared by encoder, model, training and manifest."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.request import BEHAVIOR_FIELDS

PAD_ROW = 0  # no behavior at all: always zero, never looked up
OOV_ROW = 1  # an id that training did not know: trained, by random id dropout
FIRST_ID_ROW = 2

FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
# `any` is the candidate's own value, else that of the context, else that of the profile: for models
# that were trained on flat rows, which do not say what belongs to whom.
Source = Literal["profile", "context", "candidate", "any"]
CANDIDATE_SOURCES: frozenset[Source] = frozenset({"candidate", "any"})  # columns of candidates


class SparseField(BaseModel):
    """A categorical field with an embedding table; `rows` counts padding, OOV and the known ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: FieldName
    embedding_dim: int = Field(ge=1, le=1024)
    rows: int = Field(ge=FIRST_ID_ROW)


class SparseSideField(SparseField):
    """A categorical field beside the behavior fields."""

    kind: Literal["sparse"] = "sparse"
    source: Source


class DenseSideField(BaseModel):
    """A number, standardized as (value - mean) / std; a missing one counts as the mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dense"] = "dense"
    name: FieldName
    source: Source
    mean: float = Field(default=0.0, allow_inf_nan=False)
    std: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)


SideField = Annotated[SparseSideField | DenseSideField, Field(discriminator="kind")]


class FeatureSchema(BaseModel):
    """The features of one model version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    behavior_fields: tuple[SparseField, ...]  # shared by behaviors and candidates; the item first
    user_id: SparseField | None = None
    side_fields: tuple[SideField, ...] = ()
    max_behaviors: int = Field(default=50, ge=1, le=10_000)  # the newest are kept

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = tuple(field.name for field in self.behavior_fields)
        if names not in (BEHAVIOR_FIELDS, BEHAVIOR_FIELDS[:1]):
            raise ValueError(
                f"behavior_fields must be {BEHAVIOR_FIELDS} or {BEHAVIOR_FIELDS[:1]}, not {names}"
            )
        if self.user_id is not None and self.user_id.name != "user_id":
            raise ValueError(f"the user field must be named user_id, not {self.user_id.name}")
        every = [*names, "user_id", *(field.name for field in self.side_fields)]
        if len(set(every)) < len(every):
            raise ValueError(f"field names must be distinct: {every}")
        return self

    @property
    def item_embedding_dim(self) -> int:
        """E, the width of one embedded behavior or candidate."""
        return sum(field.embedding_dim for field in self.behavior_fields)

    @property
    def user_sparse_fields(self) -> tuple[SparseField, ...]:
        """The user-side categorical fields, in the order of a batch's columns."""
        side = tuple(
            field
            for field in self.side_fields
            if field.kind == "sparse" and field.source not in CANDIDATE_SOURCES
        )
        return (self.user_id, *side) if self.user_id else side

    @property
    def candidate_sparse_fields(self) -> tuple[SparseSideField, ...]:
        return tuple(
            field
            for field in self.side_fields
            if field.kind == "sparse" and field.source in CANDIDATE_SOURCES
        )

    @property
    def user_dense_fields(self) -> tuple[DenseSideField, ...]:
        return tuple(
            field
            for field in self.side_fields
            if field.kind == "dense" and field.source not in CANDIDATE_SOURCES
        )

    @property
    def candidate_dense_fields(self) -> tuple[DenseSideField, ...]:
        return tuple(
            field
            for field in self.side_fields
            if field.kind == "dense" and field.source in CANDIDATE_SOURCES
        )

    @property
    def sparse_fields(self) -> tuple[SparseField, ...]:
        """Every field that has an embedding table and a vocabulary."""
        return (*self.behavior_fields, *self.user_sparse_fields, *self.candidate_sparse_fields)
