"""How much of a new state is written, given the update gate u and attention a.

Gates are in the DIEN paper's sense throughout: u says how much is WRITTEN, h' = (1 - w) h + w n.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

# K rows of a step, H hidden

OfGates = Callable[[Tensor, Tensor], Tensor]  # u [K, H] and a [K, 1] to [K, H]


@dataclass(frozen=True, slots=True)
class WriteRule:
    """The written share w(u, a) and its partial derivatives."""

    share: OfGates
    by_update: OfGates
    by_attention: OfGates
    # w as factors of u, a and u a, for compilers that take numbers and no functions
    terms: tuple[float, float, float]

    def __call__(self, update_KH: Tensor, attention_K1: Tensor) -> Tensor:
        return self.share(update_KH, attention_K1)


def _zero(update_KH: Tensor, _: Tensor) -> Tensor:
    return update_KH.new_zeros(()).expand_as(update_KH)


def _one(update_KH: Tensor, _: Tensor) -> Tensor:
    return update_KH.new_ones(()).expand_as(update_KH)


# A plain GRU ignores attention here.
write_gru = WriteRule(lambda u, _: u, by_update=_one, by_attention=_zero, terms=(1.0, 0.0, 0.0))

# DIEN paper eq. 10: attention replaces the update gate.
write_agru = WriteRule(
    lambda u, a: a.expand_as(u), by_update=_zero, by_attention=_one, terms=(0.0, 1.0, 0.0)
)

# DIEN paper eq. 11: attention scales the update gate; none keeps the state.
write_augru_paper = WriteRule(
    lambda u, a: a * u,
    by_update=lambda u, a: a.expand_as(u),
    by_attention=lambda u, _: u,
    terms=(0.0, 0.0, 1.0),
)

# The official code scales the KEEP gate by 1 - a; no attention is a plain GRU step.
write_augru_official = WriteRule(
    lambda u, a: a + (1 - a) * u,
    by_update=lambda u, a: (1 - a).expand_as(u),
    by_attention=lambda u, _: 1 - u,
    terms=(1.0, 1.0, -1.0),
)
