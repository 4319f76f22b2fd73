"""A rollout as the metrics show it, for as long as it is under way."""

import math
from functools import partial
from typing import Literal

from app.monitoring.metrics import Metrics
from app.registry.rollout.comparison import OUTCOMES
from app.registry.rollout.measures import MEASURES, MeasureName
from app.registry.rollout.trial import Trial

Bound = Literal["value", "low", "high"]
BOUNDS: tuple[Bound, ...] = ("value", "low", "high")


class ShownTrial:
    """Looked up when the metrics are read; gone once `close` was called."""

    def __init__(self, trial: Trial, metrics: Metrics) -> None:
        self._metrics = metrics
        self._name = trial.active.key.name
        self._version = trial.plan.version
        percent = metrics.rollout_percent.labels(self._name, self._version)
        percent.set_function(lambda: trial.plan.percent)
        for measure in MEASURES:
            for bound in BOUNDS:
                gauge = metrics.rollout_measure.labels(self._name, measure, bound)
                gauge.set_function(partial(_bound_of, trial, measure, bound))
        sides = {"active": trial.comparison.active, "challenger": trial.comparison.challenger}
        for side, sums in sides.items():
            for outcome in OUTCOMES:
                requests = metrics.rollout_requests.labels(self._name, side, outcome)
                requests.set_function(partial(sums.count, outcome))

    def close(self) -> None:
        self._metrics.rollout_percent.remove(self._name, self._version)
        self._metrics.rollout_measure.remove_by_labels({"model": self._name})
        self._metrics.rollout_requests.remove_by_labels({"model": self._name})


def _bound_of(trial: Trial, measure: MeasureName, bound: Bound) -> float:
    """NaN while too little is known."""
    interval = trial.latest.measures.get(measure)
    if interval is None:
        return math.nan
    return {"value": interval.value, "low": interval.low, "high": interval.high}[bound]
