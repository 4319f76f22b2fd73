"""Sessions of padded histories: behaviors stay where they are and know which session is theirs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from app.inference.portable.padded_pairs import PaddedPairs

# U users, T steps, N = T U behaviors, K most sessions of a user, S = K U sessions, X anything


@dataclass(frozen=True, slots=True)
class PaddedSessions:
    """Session k U + u is number k of user u, oldest first; behaviors in none of them have any."""

    sessions_U: Tensor  # how many each user has
    lengths_R: Tensor  # [S]
    place_TU: Tensor  # k of each behavior
    session_TU: Tensor  # k U + u
    position_TU: Tensor  # in its session
    kept_TU: Tensor  # bool: whether it is in one
    together_TTU: Tensor  # bool: two are in one session

    def sequence_of_each(self) -> Tensor:
        return self.session_TU.flatten()

    def steps(self) -> Tensor:
        return self.position_TU.flatten()

    def sum(self, values_NX: Tensor) -> Tensor:
        sums_SX = values_NX.new_zeros((self.lengths_R.shape[0], values_NX.shape[1]))
        kept_NX = values_NX * self.kept_TU.flatten().unsqueeze(1)
        return sums_SX.index_add(0, self.session_TU.flatten(), kept_NX)

    def own_pairs(self) -> PaddedPairs:
        """Of each behavior with all of its user, of which those of its session are real."""
        steps, users = self.place_TU.shape
        user_U = torch.arange(users, device=self.place_TU.device)
        user_N = user_U.expand(steps, users).flatten()
        return PaddedPairs(user_N, self.together_TTU.reshape(steps, steps * users), users)


def cut_padded(
    seconds_TU: Tensor,
    real_TU: Tensor,
    *,
    gap_s: int,
    max_sessions: int,
    max_session_behaviors: int,
) -> PaddedSessions:
    """The same sessions as `cut_sessions`."""
    steps, users = seconds_TU.shape
    starts_TU = torch.cat([real_TU[:1], seconds_TU[1:] - seconds_TU[:-1] > gap_s])
    number_TU = starts_TU.long().cumsum(0)  # from one, also of those that are not kept
    all_sessions_U = (number_TU * real_TU).amax(dim=0)
    sessions_after_TU = all_sessions_U - number_TU
    same_TTU = (number_TU.unsqueeze(1) == number_TU) & real_TU.unsqueeze(1) & real_TU
    step_T = torch.arange(steps, device=seconds_TU.device)
    is_later_TT1 = (step_T.unsqueeze(1) < step_T).unsqueeze(2)
    from_end_TU = (same_TTU & is_later_TT1).sum(dim=1)
    is_new_TU = (sessions_after_TU < max_sessions) & (from_end_TU < max_session_behaviors)
    kept_TU = real_TU & is_new_TU
    sessions_U = all_sessions_U.clamp(max=max_sessions)
    place_TU = (sessions_U - 1 - sessions_after_TU).clamp(0, max_sessions - 1)
    session_TU = place_TU * users + torch.arange(users, device=seconds_TU.device)
    lengths_S = torch.zeros_like(sessions_U).repeat(max_sessions)
    longest_TU = same_TTU.sum(dim=1).clamp(max=max_session_behaviors)
    return PaddedSessions(
        sessions_U,
        lengths_S.index_add(0, session_TU.flatten(), kept_TU.flatten().long()),
        place_TU=place_TU,
        session_TU=session_TU,
        position_TU=(longest_TU - 1 - from_end_TU).clamp(min=0),
        kept_TU=kept_TU,
        together_TTU=same_TTU & kept_TU.unsqueeze(1) & kept_TU,
    )
