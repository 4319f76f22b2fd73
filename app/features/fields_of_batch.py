"""The fields of a schema by the array of a batch that they are columns of."""

from msgspec import Struct

from app.core.schema import DenseSideField, FeatureSchema, SparseField


class FieldsOfBatch(Struct, frozen=True):
    """Found once for a schema, which looks for them anew whenever it is asked."""

    behavior: tuple[SparseField, ...]
    user_sparse: tuple[SparseField, ...]
    user_dense: tuple[DenseSideField, ...]
    candidate_sparse: tuple[SparseField, ...]
    candidate_dense: tuple[DenseSideField, ...]

    @classmethod
    def of(cls, schema: FeatureSchema) -> "FieldsOfBatch":
        return cls(
            behavior=schema.behavior_fields,
            user_sparse=schema.user_sparse_fields,
            user_dense=schema.user_dense_fields,
            candidate_sparse=schema.candidate_sparse_fields,
            candidate_dense=schema.candidate_dense_fields,
        )
