"""How session interests follow on one another: a Bi-LSTM over each user's sessions."""

from torch import Tensor, nn

from app.models.layers.sequences import Sequences

# S sessions of all users, E embedding, H both directions together


class SessionEvolution(nn.Module):
    """DSIN paper, section 3.4: forward and backward states side by side."""

    def __init__(self, embedding: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(embedding, hidden, bidirectional=True, batch_first=True)

    def forward(self, interests_SE: Tensor, of_users: Sequences) -> Tensor:
        """States [S, H], sessions in their order."""
        return of_users.run_both_ways(self.lstm, interests_SE)
