"""What degraded answers are worth: with a part of the history, with none, without the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs

from app.core.batch import Doubles, Floats, Rows
from app.core.calibration import Calibration, ctr_of
from app.core.ladder import truncated_lengths
from app.core.request import Degradation
from app.models.factory import Model
from app.registry.manifest import LadderRung, RungQuality, Split
from app.registry.priors import Priors
from app.training.encoded_split import EncodedSplit
from app.training.encoding import EncodedSamples
from app.training.evaluation import evaluate
from app.training.prediction import predict
from app.training.spans import rows_of_spans

# U users, C candidates, R rungs that ask the model

STALE_MISSES = 1  # behaviors that a copy of a history does not have yet


@dataclass(frozen=True, slots=True)
class HistoryCut:
    """What is left of every history on a rung of the ladder."""

    degraded: Degradation
    behaviors: int  # the newest of those that there are
    missing_newest: int = 0

    def apply(self, samples: EncodedSamples) -> EncodedSamples:
        whole_U = samples.batch.lengths_U
        ends_U = np.cumsum(whole_U) - np.minimum(self.missing_newest, whole_U)
        lengths_U = np.minimum(np.maximum(whole_U - self.missing_newest, 0), self.behaviors)
        left = rows_of_spans(ends_U - lengths_U, lengths_U)
        batch = structs.replace(
            samples.batch,
            lengths_U=lengths_U,
            behaviors_NF=samples.batch.behaviors_NF[left],
            behavior_seconds_N=samples.batch.behavior_seconds_N[left],
        )
        return replace(samples, batch=batch)


def history_cuts(max_behaviors: int) -> Sequence[HistoryCut]:
    """The rungs that ask the model, in the order of the ladder."""
    return (
        HistoryCut("stale_history", max_behaviors, STALE_MISSES),
        *(HistoryCut("truncated_history", length) for length in truncated_lengths(max_behaviors)),
        HistoryCut("no_history", 0),
    )


def measure_ladder(
    model: Model,
    splits: Mapping[Split, EncodedSplit],
    calibration: Calibration,
    priors: Priors,
    max_behaviors: int,
) -> Sequence[LadderRung]:
    """Every rung on every split; each chunk of samples is read once."""
    cuts = history_cuts(max_behaviors)
    qualities = {
        split: _qualities(model, samples, cuts, calibration, priors)
        for split, samples in splits.items()
    }
    rungs = (*cuts, HistoryCut("prior", 0))
    return [
        LadderRung(
            degraded=rung.degraded,
            behaviors=rung.behaviors,
            missing_newest=rung.missing_newest,
            metrics={split: of_split[index] for split, of_split in qualities.items()},
        )
        for index, rung in enumerate(rungs)
    ]


def _qualities(
    model: Model,
    split: EncodedSplit,
    cuts: Sequence[HistoryCut],
    calibration: Calibration,
    priors: Priors,
) -> Sequence[RungQuality]:
    """In the order of the cuts, that of the prior last."""

    def scored(chunk: EncodedSamples) -> tuple[list[Floats], Doubles, Floats, Rows]:
        logits = [predict(model, cut.apply(chunk)) for cut in cuts]
        prior_C = priors.ctr_of(chunk.batch.candidates_CF)
        return logits, prior_C, chunk.labels_C, chunk.user_ids_C

    logits, priors_C, labels, users = zip(*split.each(scored), strict=True)
    labels_C, users_C = np.concatenate(labels), np.concatenate(users)
    ctrs = [ctr_of(np.concatenate(of_cut), calibration) for of_cut in zip(*logits, strict=True)]
    ctrs.append(np.concatenate(priors_C))
    return [_quality(ctr_C, labels_C, users_C) for ctr_C in ctrs]


def _quality(ctr_C: Doubles, labels_C: Floats, users_C: Rows) -> RungQuality:
    whole = evaluate(ctr_C, labels_C, users_C)
    return RungQuality(auc=whole.auc, logloss=whole.logloss, pcoc=whole.pcoc)
