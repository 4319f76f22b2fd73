"""Interests that drift: each user follows two threads from category to neighboring category."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# U users, C categories, K threads of interest per user

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

THREAD_SHARES_K = np.array([0.7, 0.3])


@dataclass(frozen=True, slots=True)
class Interests:
    """What every user cares about on one day."""

    focus_UK: Ints  # the category each thread is at
    heading_UK: Ints  # +1 or -1: which way along the ring it goes next
    mixture_UC: Floats  # shares of interest, rows sum to 1; follows the focus with a lag


@dataclass(frozen=True, slots=True)
class Drift:
    """How interests change from one day to the next; probabilities per day and thread."""

    move: float = 0.16  # on to the next category
    turn: float = 0.005  # the heading reverses
    jump: float = 0.005  # to any category at all
    renewal: float = 0.35  # share of the mixture that the present focus replaces every day

    def next_day(self, interests: Interests, rng: np.random.Generator) -> Interests:
        categories = interests.mixture_UC.shape[1]
        shape = interests.focus_UK.shape
        turns_UK = rng.random(shape) < self.turn
        heading_UK = np.where(turns_UK, -interests.heading_UK, interests.heading_UK)
        step_UK = heading_UK * (rng.random(shape) < self.move)
        focus_UK = (interests.focus_UK + step_UK) % categories
        jumps_UK = rng.random(shape) < self.jump
        focus_UK = np.where(jumps_UK, rng.integers(categories, size=shape), focus_UK)
        kept_UC = (1 - self.renewal) * interests.mixture_UC
        mixture_UC = kept_UC + self.renewal * _mixture(focus_UK, categories)
        return Interests(focus_UK, heading_UK, mixture_UC)


def first_interests(users: int, categories: int, rng: np.random.Generator) -> Interests:
    """Every thread starts at a random category with a random heading."""
    shape = (users, len(THREAD_SHARES_K))
    focus_UK = rng.integers(categories, size=shape)
    heading_UK = rng.choice(np.array([-1, 1]), size=shape)
    return Interests(focus_UK, heading_UK, _mixture(focus_UK, categories))


def _mixture(focus_UK: Ints, categories: int) -> Floats:
    onehot_UKC = focus_UK[:, :, None] == np.arange(categories)
    mixture_UC: Floats = np.einsum("ukc,k->uc", onehot_UKC, THREAD_SHARES_K)
    return mixture_UC
