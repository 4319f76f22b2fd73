"""Which jobs may wait and which are computed together: arithmetic on costs, nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """A batch closes when an engine thread is free, so there is nothing to wait for but cost.

    Costs are candidate-behavior pairs, which is what attention and evolution are paid in.
    """

    max_batch_pairs: int
    max_queued_pairs: int

    def admits(self, queued_pairs: int, pairs: int) -> bool:
        """An empty queue admits any job: no request is too large to ever be answered."""
        return queued_pairs == 0 or queued_pairs + pairs <= self.max_queued_pairs

    def jobs_in_next_batch(self, pairs_oldest_first: Iterable[int]) -> int:
        """How many of the oldest jobs fit; the first always does."""
        jobs = total = 0
        for pairs in pairs_oldest_first:
            total += pairs
            if jobs and total > self.max_batch_pairs:
                break
            jobs += 1
        return jobs


def cost_in_pairs(*, candidates: int, behaviors: int) -> int:
    """A candidate without any behavior still costs its row through the MLP."""
    return candidates * (1 + behaviors)
