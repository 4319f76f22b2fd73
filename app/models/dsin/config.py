"""The architecture of a DSIN as its manifest states it."""

from typing import Literal

from pydantic import Field

from app.models.interest_model import InterestConfig
from app.models.layers.attention_config import AttentionName, Heads


class DsinConfig(InterestConfig):
    """Defaults follow the paper: 30 minutes of silence end a session, bilinear activation units."""

    name: Literal["dsin"] = "dsin"
    attention: AttentionName = "bilinear"
    query_projection: bool = False
    session_gap_s: int = Field(default=30 * 60, ge=1)
    max_sessions: int = Field(default=10, ge=1, le=1000)  # the newest are kept
    max_session_behaviors: int = Field(default=10, ge=1, le=1000)  # of each session the newest
    session_heads: Heads = 4  # of the self-attention inside sessions
    hidden_size: int = Field(default=18, ge=1, le=1024)  # of the LSTM, in each direction
