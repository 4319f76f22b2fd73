"""What becomes of a challenger: one rule, the same for everything that is measured.

Each measure has an interval, which the truth is in, and a range that is acceptable. If one interval
lies outside of its range, the challenger is rolled back; once all of them lie inside, it is
promoted; as long as one reaches across a border, nobody knows, and more requests are waited for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from app.registry.rollout.comparison import Comparison
from app.registry.rollout.intervals import Interval
from app.registry.rollout.measures import MEASURES, MeasureName, measured

Decision = Literal["promote", "roll_back", "wait"]


@dataclass(frozen=True, slots=True)
class GateRules:
    """What is acceptable, and what must have been seen before a version is promoted."""

    max_ctr_change: float = 0.1  # of the mean, up or down
    min_rank_correlation: float = 0.5
    max_psi: float = 0.25
    max_nan_rate: float = 0.01
    max_error_rate: float = 0.01
    max_latency_ratio: float = 1.5
    min_requests: int = 1000  # scored by both versions
    min_s: float = 600.0
    confidence: float = 0.99  # that nothing acceptable is rolled back, however long it takes

    def acceptable(self) -> Mapping[MeasureName, tuple[float, float]]:
        return {
            "ctr_ratio": (1 / (1 + self.max_ctr_change), 1 + self.max_ctr_change),
            "rank_correlation": (self.min_rank_correlation, inf),
            "psi": (-inf, self.max_psi),
            "nan_rate": (0.0, self.max_nan_rate),
            "error_rate": (0.0, self.max_error_rate),
            "latency_ratio": (0.0, self.max_latency_ratio),
        }

    @property
    def alpha(self) -> float:
        """For each measure; together they are wrong no more often than all are allowed to be."""
        return (1 - self.confidence) / len(MEASURES)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, the sentence that explains it, and what it was made of."""

    decision: Decision
    reason: str
    measures: Mapping[MeasureName, Interval]


def judge(comparison: Comparison, rules: GateRules, *, seconds: float) -> Verdict:
    """After so many seconds of a rollout."""
    measures = measured(comparison, rules.alpha)
    ranges = rules.acceptable()
    for name, interval in measures.items():
        low, high = ranges[name]
        if interval.low > high or interval.high < low:
            return Verdict("roll_back", _sentence(name, interval, (low, high)), measures)
    unsure = [name for name, accepted in ranges.items() if not _is_in(measures.get(name), accepted)]
    if unsure:
        return Verdict("wait", f"not known yet: {', '.join(unsure)}", measures)
    requests = comparison.pairs.requests
    if requests < rules.min_requests:
        reason = f"{requests} of {rules.min_requests} requests were scored by both versions"
        return Verdict("wait", reason, measures)
    if seconds < rules.min_s:
        return Verdict("wait", f"{seconds:.0f} of {rules.min_s:.0f} seconds are over", measures)
    return Verdict("promote", f"all measures are acceptable after {requests} requests", measures)


def _is_in(interval: Interval | None, accepted: tuple[float, float]) -> bool:
    return interval is not None and accepted[0] <= interval.low and interval.high <= accepted[1]


def _sentence(name: MeasureName, interval: Interval, acceptable: tuple[float, float]) -> str:
    low, high = acceptable
    border = f"above {high:.4g}" if interval.low > high else f"below {low:.4g}"
    return (
        f"{name} is {border}: {interval.value:.4g}, "
        f"surely between {interval.low:.4g} and {interval.high:.4g}"
    )
