"""One request from its features to its ranking."""

from app.core.calibration import ctr_of
from app.core.deadline import Deadline, StageTimes
from app.core.request import Degradation, RankedCandidate, Ranking, RankRequest
from app.features.feature_reader import FeatureReader, RequestFeatures
from app.monitoring.metrics import Metrics
from app.ranking.explanation import Explainer
from app.ranking.order import best_first, ecpm_of
from app.registry.servable import ScoredRequest, Servable
from app.registry.served_models import ServedModels


class Ranker:
    """Answers every request that it can, with what could be had of its features."""

    def __init__(self, models: ServedModels, features: FeatureReader, metrics: Metrics) -> None:
        self._models = models
        self._features = features
        self._metrics = metrics

    async def rank(
        self, request: RankRequest, deadline: Deadline, times: StageTimes
    ) -> tuple[Ranking, ScoredRequest]:
        """Raises a CtrError: unknown model, overload, deadline."""
        servable = self._models.route(request.model)
        with times.measure("features"):
            features = await self._features.read(request, servable.encoder.schema, deadline)
        scored = await servable.score(features.user, features.candidates, deadline, times)
        with times.measure("render"):
            ranking = _assemble(request, features, servable, scored)
        self._count(request, features, ranking)
        return ranking, scored

    def _count(self, request: RankRequest, features: RequestFeatures, ranking: Ranking) -> None:
        self._metrics.candidates.observe(len(request.candidates))
        self._metrics.behaviors.observe(ranking.behaviors)
        if ranking.degraded is not None:
            self._metrics.degraded.labels(ranking.degraded, features.problems["behaviors"]).inc()
        elif ranking.behaviors == 0:
            self._metrics.cold_users.inc()


def _assemble(
    request: RankRequest, features: RequestFeatures, servable: Servable, scored: ScoredRequest
) -> Ranking:
    scores = scored.scores
    ctr_C = ctr_of(scores.logits_C, servable.manifest.calibration)
    ecpm_C = ecpm_of(ctr_C, request.candidates.bids)
    behaviors = features.user.behaviors.newest(scores.attention_CT.shape[1])
    explainer = Explainer(behaviors, servable.encoder.vocabularies, request.raw_ids)
    order = best_first(ctr_C, ecpm_C, request.rank_by, request.top_k)
    ranked = [
        RankedCandidate(
            ad_id=request.candidates.ad_ids[index],
            rank=rank,
            ctr=float(ctr_C[index]),
            ecpm=ecpm_C[index],
            attention=explainer.most_attended(scores.attention_CT[index], request.explain)
            if request.explain
            else (),
        )
        for rank, index in enumerate(order, start=1)
    ]
    return Ranking(
        model=servable.manifest.name,
        version=servable.manifest.version,
        behaviors=scores.attention_CT.shape[1],
        unknown_items=scores.unknown_items,
        degraded=_rung(features),
        feature_problems=features.problems,
        ranked=ranked,
    )


def _rung(features: RequestFeatures) -> Degradation | None:
    return "no_history" if "behaviors" in features.problems else None
