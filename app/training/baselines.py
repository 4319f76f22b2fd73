"""What a model must beat: how often an item was clicked in training, whoever is asked."""

from dataclasses import dataclass

import numpy as np

from app.core.batch import Rows
from app.core.schema import OOV_ROW
from app.training.encoded_split import EncodedSplit
from app.training.evaluation import auc, gauc


@dataclass(frozen=True, slots=True)
class RankingQuality:
    """Of scores that are not probabilities."""

    auc: float
    gauc: float


def popularity(clicks_V: Rows, split: EncodedSplit) -> RankingQuality:
    """Each candidate scored by the training clicks on its item, by row of its table.

    An unknown item has none.
    """
    known_V = np.where(np.arange(len(clicks_V)) == OOV_ROW, 0, clicks_V).astype(np.float32)
    parts = split.each(
        lambda chunk: (
            known_V[chunk.batch.candidates_CF[:, 0]],
            chunk.labels_C,
            chunk.user_ids_C,
        )
    )
    scores_C, labels_C, user_ids_C = map(np.concatenate, zip(*parts, strict=True))
    return RankingQuality(auc(scores_C, labels_C), gauc(scores_C, labels_C, user_ids_C))
