"""What a model says of all samples of a split, beside what was true."""

from dataclasses import dataclass

import numpy as np

from app.core.batch import Floats, Rows
from app.core.calibration import Calibration, ctr_of
from app.models.factory import Model
from app.registry.manifest import Metrics
from app.training.encoded_split import EncodedSplit
from app.training.evaluation import evaluate
from app.training.prediction import predict


@dataclass(frozen=True, slots=True)
class ScoredSplit:
    """Of C candidates in the order of the samples."""

    logits_C: Floats
    labels_C: Floats
    user_ids_C: Rows

    def metrics(self, calibration: Calibration) -> Metrics:
        """Of the CTRs that these logits become."""
        return evaluate(ctr_of(self.logits_C, calibration), self.labels_C, self.user_ids_C)


def score_split(model: Model, split: EncodedSplit) -> ScoredSplit:
    """Chunk by chunk; only one number of each kind per candidate is kept."""
    parts = split.each(lambda chunk: (predict(model, chunk), chunk.labels_C, chunk.user_ids_C))
    return ScoredSplit(*map(np.concatenate, zip(*parts, strict=True)))
