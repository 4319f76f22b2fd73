"""Which table rows a batch looks up, field by field."""

from collections.abc import Mapping

import numpy as np

from app.core.batch import RaggedBatch, Rows
from app.core.schema import FeatureSchema


def looked_up_rows(batch: RaggedBatch, schema: FeatureSchema) -> Mapping[str, Rows]:
    """By sparse field, a row for every time that users, behaviors and candidates have one."""
    items = np.concatenate([batch.behaviors_NF, batch.candidates_CF])
    columns = (
        (schema.behavior_fields, items),
        (schema.user_sparse_fields, batch.user_sparse_US),
        (schema.candidate_sparse_fields, batch.candidate_sparse_CS),
    )
    return {
        field.name: rows[:, column]
        for fields, rows in columns
        for column, field in enumerate(fields)
    }
