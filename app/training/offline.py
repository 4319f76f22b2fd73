"""Scores of samples as serving gives them: the published version's encoder and engine."""

from collections.abc import Callable

import numpy as np
import torch

from app.core.batch import Doubles, Floats
from app.core.calibration import ctr_of
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.registry.model_store import Artifact
from app.registry.trained_model import trained_model
from app.training.requests import SampleRequests
from app.training.samples import Samples
from app.training.side_fields import fields_of

USERS_PER_BATCH = 256


def score_samples(artifact: Artifact, samples: Samples) -> Doubles:
    """Served CTRs [C] in the order of the samples."""
    return ctr_of(score_logits(artifact, samples), artifact.manifest.calibration)


def score_logits(
    artifact: Artifact, samples: Samples, on_users: Callable[[int], None] = lambda users: None
) -> Floats:
    """Logits [C] in the order of the samples, each user with all of its candidates a request.

    `on_users` is told how many more are done.
    """
    schema = artifact.manifest.features
    encoder, engine = Encoder(schema, artifact.vocabularies), engine_of(artifact)
    requests = SampleRequests(samples, fields_of(schema))
    users = len(samples.lengths_U)
    logits = []
    for start in range(0, users, USERS_PER_BATCH):
        batch = [
            requests.request(user) for user in range(start, min(start + USERS_PER_BATCH, users))
        ]
        logits.append(engine.score(encoder.encode(batch).batch).logits_C)
        on_users(len(batch))
    return np.concatenate(logits)


def engine_of(artifact: Artifact) -> Engine:
    """The reference model of a version on the CPU."""
    return Engine(trained_model(artifact), torch.device("cpu"))
