"""The session builder: where silence cuts a behavior sequence, in training and serving alike."""

from dataclasses import dataclass

import torch
from torch import Tensor

from app.models.layers.ragged import steps_from_end

# U users, N behaviors of all users, S sessions of all users, M behaviors kept in sessions


@dataclass(frozen=True, slots=True)
class RaggedSessions:
    """Sessions end to end, user after user and oldest first, of the behaviors that are kept."""

    behavior_M: Tensor  # rows of the behaviors that are kept, in their order
    session_M: Tensor  # the session of each
    lengths_S: Tensor  # behaviors that are kept of each session
    sessions_U: Tensor  # sessions that are kept of each user
    first_session_U: Tensor

    @property
    def count(self) -> int:
        return len(self.lengths_S)


def cut_sessions(
    seconds_N: Tensor,
    lengths_U: Tensor,
    *,
    gap_s: int,
    max_sessions: int,
    max_session_behaviors: int,
) -> RaggedSessions:
    """A session ends where more than `gap_s` seconds pass before the next behavior (DSIN 3.2).

    Kept are the newest sessions of each user and the newest behaviors of each session. Time that
    runs backwards within a history does not cut.
    """
    users, device = len(lengths_U), seconds_N.device
    user_N = torch.repeat_interleave(lengths_U)
    starts_N = torch.ones_like(seconds_N, dtype=torch.bool)
    starts_N[1:] = (user_N[1:] != user_N[:-1]) | (seconds_N[1:] - seconds_N[:-1] > gap_s)
    session_N = starts_N.cumsum(0) - 1
    all_sessions_U = torch.zeros(users, dtype=torch.long, device=device)
    all_sessions_U = all_sessions_U.index_add(0, user_N, starts_N.long())
    all_lengths_S = torch.bincount(session_N, minlength=int(starts_N.sum()))
    kept_S = steps_from_end(all_sessions_U) < max_sessions
    kept_N = kept_S[session_N] & (steps_from_end(all_lengths_S) < max_session_behaviors)
    sessions_U = all_sessions_U.clamp(max=max_sessions)
    renumbered_S = kept_S.cumsum(0) - 1
    return RaggedSessions(
        behavior_M=kept_N.nonzero().squeeze(1),
        session_M=renumbered_S[session_N[kept_N]],
        lengths_S=all_lengths_S[kept_S].clamp(max=max_session_behaviors),
        sessions_U=sessions_U,
        first_session_U=sessions_U.cumsum(0) - sessions_U,
    )
