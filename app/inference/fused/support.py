"""What the fused kernel can run; everything else stays with the reference runtime."""

from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.factory import Architecture

FusedArchitecture = DienConfig | DinConfig


def why_not_fused(architecture: Architecture) -> str | None:
    """The reason in a few words, or None."""
    if not isinstance(architecture, FusedArchitecture):
        return f"the fused kernel has no {architecture.name}"
    if architecture.self_attention_heads:
        return "the fused kernel has no self-attention"
    if architecture.position_aware:
        return "the fused kernel has no position-aware attention"
    return None
