"""Whether a model scores and attends as its naive loops do."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.schema import FeatureSchema
from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.models.ensemble.config import SingleArchitecture
from tests.models.builders import batch_of, draw_candidates, draw_users, make_model, score
from tests.models.naive_dien import NaiveDien
from tests.models.naive_din import NaiveDin
from tests.models.naive_dsin import NaiveDsin
from tests.models.naive_model import NaiveModel

LENGTHS = (3, 0, 6, 1, 2)  # the last user has no candidate
USER_OF_CANDIDATE = (2, 0, 3, 1, 2)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def make_naive(
    config: SingleArchitecture, schema: FeatureSchema, state: Mapping[str, Tensor]
) -> NaiveModel[Any]:
    match config:
        case DienConfig():
            return NaiveDien(config, schema, state)
        case DinConfig():
            return NaiveDin(config, schema, state)
        case DsinConfig():
            return NaiveDsin(config, schema, state)


def assert_equals_naive_loops(
    config: SingleArchitecture, schema: FeatureSchema, dtype: torch.dtype = torch.float64
) -> None:
    tolerance = TOLERANCE[dtype]
    model = make_model(config, schema).to(dtype)
    naive = make_naive(config, schema, model.state_dict())
    users = draw_users(LENGTHS, schema)
    candidates = draw_candidates(USER_OF_CANDIDATE, schema)
    expected = [naive.score(users[candidate.user], candidate) for candidate in candidates]

    with torch.inference_mode():
        logits_C, attention_CT = score(model, batch_of(users, candidates, schema, dtype=dtype))

    np.testing.assert_allclose(
        logits_C.numpy(), [logit for logit, _ in expected], rtol=tolerance, atol=tolerance
    )
    for row_T, (_, attention) in zip(attention_CT.numpy(), expected, strict=True):
        padded = np.pad(attention, (0, len(row_T) - len(attention)))
        np.testing.assert_allclose(row_T, padded, rtol=tolerance, atol=tolerance)
