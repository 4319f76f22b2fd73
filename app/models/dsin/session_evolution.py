"""How session interests follow on one another: a Bi-LSTM over each user's sessions."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from app.models.layers.precision import at_least_single
from app.models.layers.ragged import starts_of

# U users, V users with sessions, S sessions of all users, K most sessions of a user, E embedding,
# H both directions together


class SessionEvolution(nn.Module):
    """DSIN paper, section 3.4: forward and backward states side by side."""

    def __init__(self, embedding: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(embedding, hidden, bidirectional=True, batch_first=True)

    def forward(self, interests_SE: Tensor, sessions_U: Tensor) -> Tensor:
        """States [S, H], sessions in their order."""
        sessions_V = sessions_U[sessions_U > 0]
        if len(sessions_V) == 0:
            return interests_SE.new_empty((0, 2 * self.lstm.hidden_size))
        user_S = torch.repeat_interleave(sessions_V)
        step_S = torch.arange(len(user_S), device=user_S.device) - starts_of(sessions_V)[user_S]
        shape = (len(sessions_V), int(sessions_V.max()), interests_SE.shape[1])
        padded_VKE = interests_SE.new_zeros(shape).index_put((user_S, step_S), interests_SE)
        packed = pack_padded_sequence(
            at_least_single(padded_VKE), sessions_V.cpu(), batch_first=True, enforce_sorted=False
        )
        # Half precision would lose small steps of a state.
        with torch.autocast(padded_VKE.device.type, enabled=False):
            packed, _ = self.lstm(packed)
        states_VKH, _ = pad_packed_sequence(packed, batch_first=True)
        return states_VKH[user_S, step_S]
