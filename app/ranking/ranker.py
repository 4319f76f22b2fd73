"""One request from its features to its ranking."""

from app.core.deadline import Deadline, StageTimes
from app.core.request import Ranking, RankRequest
from app.features.feature_reader import FeatureReader, RequestFeatures
from app.monitoring.metrics import Metrics
from app.ranking.assembly import assemble
from app.registry.servable import ScoredRequest
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
        schema = servable.version.encoder.schema
        with times.measure("features"):
            features = await self._features.read(request, schema, deadline)
        scored = await servable.score(features.user, features.candidates, deadline, times)
        with times.measure("render"):
            ranking = assemble(request, features, servable.version, scored.scores)
        self._count(request, features, ranking)
        return ranking, scored

    def _count(self, request: RankRequest, features: RequestFeatures, ranking: Ranking) -> None:
        self._metrics.candidates.observe(len(request.candidates))
        self._metrics.behaviors.observe(ranking.behaviors)
        if ranking.degraded is not None:
            self._metrics.degraded.labels(ranking.degraded, features.problems["behaviors"]).inc()
        elif ranking.behaviors == 0:
            self._metrics.cold_users.inc()
