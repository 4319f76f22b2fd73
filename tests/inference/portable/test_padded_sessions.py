"""Padded histories have the sessions that the same histories have end to end."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from app.inference.portable.padded_sessions import cut_padded
from app.inference.portable.padding import pad_steps
from app.models.layers.ragged import starts_of
from app.models.layers.sessions import cut_sessions
from tests.models.session_histories import GAP_S, histories


@given(st.lists(histories, min_size=1, max_size=6), st.integers(1, 4), st.integers(1, 4))
def test_the_same_behaviors_are_kept_in_the_same_places(users, max_sessions, max_behaviors):
    seconds_N = torch.tensor([second for user in users for second in user], dtype=torch.long)
    lengths_U = torch.tensor([len(user) for user in users])
    limits = {
        "gap_s": GAP_S,
        "max_sessions": max_sessions,
        "max_session_behaviors": max_behaviors,
    }
    expected = cut_sessions(seconds_N, lengths_U, **limits)
    seconds_TU = pad_steps(seconds_N.unsqueeze(1), lengths_U, 1).squeeze(2)
    real_TU = torch.arange(len(seconds_TU)).unsqueeze(1) < lengths_U

    padded = cut_padded(seconds_TU, real_TU, **limits)

    kept_UT = padded.kept_TU.t()
    first_row_U1 = starts_of(lengths_U).unsqueeze(1)
    row_UT = first_row_U1 + torch.arange(len(seconds_TU))
    user_M = torch.repeat_interleave(lengths_U)[expected.behavior_M]
    place_M = expected.session_M - expected.first_session_U[user_M]
    position_M = torch.arange(len(place_M)) - starts_of(expected.lengths_S)[expected.session_M]
    assert padded.sessions_U.tolist() == expected.sessions_U.tolist()
    assert padded.lengths_R.sum() == len(place_M)
    assert row_UT[kept_UT].tolist() == expected.behavior_M.tolist()
    assert padded.place_TU.t()[kept_UT].tolist() == place_M.tolist()
    assert padded.position_TU.t()[kept_UT].tolist() == position_M.tolist()
