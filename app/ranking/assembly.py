"""From the scores of a request to its answer: the only way from logits to ranked CTRs."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import itemgetter

import numpy as np
from msgspec import Struct

from app.core.batch import Doubles, Floats
from app.core.calibration import ctr_of
from app.core.request import AttendedBehavior, RankedCandidate, Ranking, RankRequest
from app.features.feature_reader import RequestFeatures
from app.ranking.explanation import Explainer
from app.ranking.ladder import Shortfall, shortfall_of
from app.ranking.order import best_first, ecpm_of
from app.registry.loaded_version import JobScores, LoadedVersion


class Judgment(Struct, frozen=True):
    """What is said of C candidates, by whomever, and what had to be done without."""

    ctr_C: Doubles
    attention_CT: Floats  # T behaviors that were looked at
    unknown_items: int
    shortfall: Shortfall | None


def assemble(
    request: RankRequest, features: RequestFeatures, version: LoadedVersion, scores: JobScores
) -> Ranking:
    """Calibrated, ordered and, where the request asks for it, explained."""
    shortfall = shortfall_of(
        features,
        scored_behaviors=scores.attention_CT.shape[1],
        max_behaviors=version.encoder.schema.max_behaviors,
    )
    ctr_C = ctr_of(scores.logits_C, version.manifest.calibration)
    judgment = Judgment(ctr_C, scores.attention_CT, scores.unknown_items, shortfall)
    return _ranking(request, features, version, judgment)


def assemble_prior(
    request: RankRequest, features: RequestFeatures, version: LoadedVersion, reason: str
) -> Ranking:
    """Without the model, and so without a look at any behavior."""
    prior = version.prior_of(features.candidates)
    no_attention_CT = np.empty((len(prior.ctr_C), 0), np.float32)
    shortfall = Shortfall("prior", reason)
    judgment = Judgment(prior.ctr_C, no_attention_CT, prior.unknown_items, shortfall)
    return _ranking(request, features, version, judgment)


def _ranking(
    request: RankRequest, features: RequestFeatures, version: LoadedVersion, judgment: Judgment
) -> Ranking:
    attention_CT, shortfall = judgment.attention_CT, judgment.shortfall
    ctrs = judgment.ctr_C.tolist()
    ecpms = ecpm_of(ctrs, request.candidates.bids)
    behaviors = features.user.behaviors.newest(attention_CT.shape[1])
    order = best_first(judgment.ctr_C, ecpms, request.rank_by, request.top_k)
    attention: Iterable[Sequence[AttendedBehavior]] = repeat(())
    if request.explain:
        explainer = Explainer(behaviors, version.encoder.vocabularies, request.raw_ids)
        attention = [
            explainer.most_attended(attention_CT[index], request.explain) for index in order
        ]
    # All of it is C: no step in Python for an ad. (Of a single index there would be no tuple.)
    in_order = itemgetter(*order, order[0])
    ranks = range(1, len(order) + 1)
    columns = (in_order(request.candidates.ad_ids), ranks, in_order(ctrs), in_order(ecpms))
    ranked = list(map(RankedCandidate, *columns, attention))
    return Ranking(
        model=version.manifest.name,
        version=version.manifest.version,
        behaviors=len(behaviors),
        unknown_items=judgment.unknown_items,
        degraded=None if shortfall is None else shortfall.rung,
        degraded_reason=None if shortfall is None else shortfall.reason,
        feature_problems=features.problems,
        ranked=ranked,
    )
