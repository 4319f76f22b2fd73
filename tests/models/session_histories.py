"""Timestamps of users, drawn around everything that may cut a session."""

from itertools import accumulate

from hypothesis import strategies as st

GAP_S = 30 * 60
START_S = 1_700_000_000

# Also silence of exactly the gap, two things in one second, and a clock that was set back
gaps_s = st.sampled_from([0, 1, 600, GAP_S, GAP_S + 1, 5 * GAP_S, 10**8, -1, -GAP_S - 1])
histories = st.lists(gaps_s, max_size=8).map(
    lambda gaps: list(accumulate(gaps, initial=START_S))[1:]
)
