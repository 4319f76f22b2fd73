"""What a run says: latencies from the intended time, percentiles, goodput."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]
OK = 200


@dataclass(frozen=True, slots=True)
class Outcomes:
    """N requests in the order of their sending; `nan` where something never happened."""

    intended_s_N: Seconds  # when it was meant to leave
    released_s_N: Seconds  # when the client let go of it, be there a free connection or not
    done_s_N: Seconds
    status_N: NDArray[np.int64]  # 0: no answer

    def latencies_s(self) -> Seconds:
        """From the intended time: waiting for a free connection counts, as it does for a user."""
        return self.done_s_N - self.intended_s_N


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in numbers; percentiles are of the good answers."""

    requests: int
    good: int
    refused: int  # answered, but not with 200
    unanswered: int
    seconds: float
    requests_per_s: float  # good answers, from the first request to the last such answer
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    send_lag_p99_ms: float  # how late the client itself was


def summarize(outcomes: Outcomes) -> Summary:
    good_N = outcomes.status_N == OK
    latencies_ms = outcomes.latencies_s()[good_N] * 1e3
    p50, p90, p99, most = _percentiles(latencies_ms, (50, 90, 99, 100))
    lags_ms = (outcomes.released_s_N - outcomes.intended_s_N) * 1e3
    seconds = _span_s(outcomes.intended_s_N, outcomes.done_s_N[good_N])
    return Summary(
        requests=len(good_N),
        good=int(good_N.sum()),
        refused=int(((outcomes.status_N > 0) & ~good_N).sum()),
        unanswered=int((outcomes.status_N == 0).sum()),
        seconds=seconds,
        requests_per_s=float(good_N.sum()) / seconds if seconds > 0 else 0.0,
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        max_ms=most,
        send_lag_p99_ms=_percentiles(lags_ms, (99,))[0],
    )


def goodput_per_s(outcomes: Outcomes, *, within_s: float, offered_s: float) -> float:
    """Good answers that came in time, for each second in which requests were offered."""
    in_time_N = (outcomes.status_N == OK) & (outcomes.latencies_s() <= within_s)
    return float(in_time_N.sum()) / offered_s


def _span_s(intended_s: Seconds, done_s: Seconds) -> float:
    return float(done_s.max() - intended_s.min()) if len(done_s) else 0.0


def _percentiles(values: Seconds, shares: tuple[int, ...]) -> list[float]:
    if len(values) == 0:
        return [float("nan")] * len(shares)
    # A latency that happened, never one between two.
    return [float(value) for value in np.percentile(values, shares, method="inverted_cdf")]
