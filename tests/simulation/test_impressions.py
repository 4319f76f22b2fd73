"""Which clicks are the history of an impression, against the obvious loop."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.simulation.impressions import ImpressionLog, gather_log

impressions = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 10_000), st.booleans()),
    unique_by=lambda impression: impression[:2],
    max_size=40,
)


def log_of(rows):
    user, timestamp, clicked = (np.array(column) for column in zip(*rows, strict=True))
    return ImpressionLog(user, np.arange(len(rows)), timestamp, np.full(len(rows), 0.5), clicked)


@given(impressions.filter(bool), st.integers(1, 6))
def test_histories_are_the_newest_earlier_clicks_of_the_same_user(rows, max_history):
    log = gather_log([log_of([row]) for row in rows])

    first_N, end_N = log.history_ranges(max_history)

    clicks = log.clicks()
    for row, (first, end) in enumerate(zip(first_N, end_N, strict=True)):
        earlier = [
            click
            for click in clicks
            if log.user_N[click] == log.user_N[row]
            and log.timestamp_N[click] < log.timestamp_N[row]
        ]
        assert clicks[first:end].tolist() == earlier[-max_history:]


@given(impressions.filter(bool))
def test_a_gathered_log_keeps_every_impression_in_order_of_user_and_time(rows):
    log = gather_log([log_of([row]) for row in rows])

    columns = zip(
        log.user_N.tolist(), log.timestamp_N.tolist(), log.clicked_N.tolist(), strict=True
    )
    assert list(columns) == sorted(rows)
