"""One request from its features to its ranking."""

import logging
import time

from app.core.deadline import StageTimes
from app.core.request import Ranking, RankRequest
from app.errors import CtrError, DeadlineExceeded, EngineFailed
from app.features.feature_reader import FeatureReader, RequestFeatures
from app.inference.admission import Admission, Ticket
from app.monitoring.metrics import Metrics
from app.ranking.assembly import assemble, assemble_prior
from app.ranking.fitting import as_much_as_fits
from app.ranking.reserve import time_for_prior_s
from app.registry.loaded_version import LoadedVersion
from app.registry.servable import Servable
from app.registry.served_models import ServedModels

log = logging.getLogger(__name__)


class Ranker:
    """Answers every request that it can, with what could be had of its features and the model."""

    def __init__(
        self,
        models: ServedModels,
        features: FeatureReader,
        admission: Admission,
        metrics: Metrics,
        *,
        prior_fallback: bool = True,
    ) -> None:
        self._models = models
        self._features = features
        self._admission = admission
        self._metrics = metrics
        self._prior_fallback = prior_fallback

    async def rank(
        self, request: RankRequest, ticket: Ticket, times: StageTimes
    ) -> tuple[Ranking, int]:
        """The answer, and how many requests were scored in its batch: 0 where the prior answers.

        Raises a CtrError: unknown model, overload, deadline.
        """
        answer = self._by_model_or_prior if self._prior_fallback else self._by_model
        with self._models.route(request.model, request.user_id) as servable:
            schema = servable.version.encoder.schema
            with times.measure("features"):
                features = await self._features.read(request, schema, ticket.deadline)
            ranking, batch_jobs = await answer(servable, request, features, ticket, times)
        self._count(request, ranking)
        return ranking, batch_jobs

    async def _by_model_or_prior(
        self,
        servable: Servable,
        request: RankRequest,
        features: RequestFeatures,
        ticket: Ticket,
        times: StageTimes,
    ) -> tuple[Ranking, int]:
        """The model has until shortly before the deadline; what it raises then is answered."""
        deadline = ticket.deadline
        reserve_s = time_for_prior_s(len(request.candidates), deadline.remaining_s())
        ticket.deadline = deadline.earlier(reserve_s)
        asked_s = time.perf_counter()
        try:
            return await self._by_model(servable, request, features, ticket, times)
        except (DeadlineExceeded, EngineFailed) as error:
            if deadline.remaining_s() <= 0:
                raise
            times.add("queue", time.perf_counter() - asked_s)  # in vain
            with times.measure("render"):
                return _by_prior(request, features, servable.version, error), 0

    async def _by_model(
        self,
        servable: Servable,
        request: RankRequest,
        features: RequestFeatures,
        ticket: Ticket,
        times: StageTimes,
    ) -> tuple[Ranking, int]:
        user = as_much_as_fits(self._admission, ticket, servable.version, features)
        scored = await servable.score(user, features.candidates, ticket.deadline, times)
        with times.measure("render"):
            ranking = assemble(request, features, servable.version, scored.scores)
        return ranking, scored.batch_jobs

    def _count(self, request: RankRequest, ranking: Ranking) -> None:
        self._metrics.candidates.observe(len(request.candidates))
        self._metrics.behaviors.observe(ranking.behaviors)
        if ranking.degraded is not None:
            self._metrics.degraded.labels(ranking.degraded, ranking.degraded_reason).inc()
        elif ranking.behaviors == 0:
            self._metrics.cold_users.inc()


def _by_prior(
    request: RankRequest, features: RequestFeatures, version: LoadedVersion, error: CtrError
) -> Ranking:
    """Raises the model's error where there is no prior either."""
    try:
        return assemble_prior(request, features, version, error.slug)
    except Exception:
        # Both read the request by the same encoder: what it fails at, it fails at twice.
        log.exception("the prior failed too")
        raise error from None
