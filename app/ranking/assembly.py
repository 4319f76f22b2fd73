"""From the scores of a request to its answer: the only way from logits to ranked CTRs."""

from app.core.calibration import ctr_of
from app.core.request import Degradation, RankedCandidate, Ranking, RankRequest
from app.features.feature_reader import RequestFeatures
from app.ranking.explanation import Explainer
from app.ranking.order import best_first, ecpm_of
from app.registry.loaded_version import JobScores, LoadedVersion


def assemble(
    request: RankRequest, features: RequestFeatures, version: LoadedVersion, scores: JobScores
) -> Ranking:
    """Calibrated, ordered and, where the request asks for it, explained."""
    ctr_C = ctr_of(scores.logits_C, version.manifest.calibration)
    ecpm_C = ecpm_of(ctr_C, request.candidates.bids)
    behaviors = features.user.behaviors.newest(scores.attention_CT.shape[1])
    explainer = Explainer(behaviors, version.encoder.vocabularies, request.raw_ids)
    order = best_first(ctr_C, ecpm_C, request.rank_by, request.top_k)
    ad_ids, ctrs = request.candidates.ad_ids, ctr_C.tolist()
    ranked: list[RankedCandidate] = [
        {
            "ad_id": ad_ids[index],
            "rank": rank,
            "ctr": ctrs[index],
            "ecpm": ecpm_C[index],
            "attention": explainer.most_attended(scores.attention_CT[index], request.explain)
            if request.explain
            else (),
        }
        for rank, index in enumerate(order, start=1)
    ]
    return Ranking(
        model=version.manifest.name,
        version=version.manifest.version,
        behaviors=scores.attention_CT.shape[1],
        unknown_items=scores.unknown_items,
        degraded=_rung(features),
        feature_problems=features.problems,
        ranked=ranked,
    )


def _rung(features: RequestFeatures) -> Degradation | None:
    if "behaviors" not in features.problems:
        return None
    return "stale_history" if features.stale_history else "no_history"
