"""How long before the deadline the model is given up, so that the prior still answers in time."""

# Looked up, ranked and rendered: 0.1 ms for 100 ads and 0.9 ms for 1000 on a core of its own. The
# rest is for an event loop that has other things to do.
RESERVE_S = 0.002
RESERVE_PER_CANDIDATE_S = 2e-6
LARGEST_SHARE = 0.25  # of what is left: the model comes first


def time_for_prior_s(candidates: int, remaining_s: float) -> float:
    """At least 0, also where no time is left."""
    wanted_s = RESERVE_S + RESERVE_PER_CANDIDATE_S * candidates
    return max(0.0, min(wanted_s, LARGEST_SHARE * remaining_s))
