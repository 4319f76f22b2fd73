"""Which jobs may wait and which are computed together: arithmetic on costs, nothing else."""

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

    def takes(self, taken_pairs: int, pairs: int, *, queued_pairs: int, free_threads: int) -> bool:
        """Whether one more job goes into a batch: any goes into an empty one, and no thread takes
        more than its share of what waits while others are free."""
        fair_pairs = max(1, (taken_pairs + queued_pairs) // free_threads)
        return not taken_pairs or taken_pairs + pairs <= min(self.max_batch_pairs, fair_pairs)
