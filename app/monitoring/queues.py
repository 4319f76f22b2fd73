"""Every open queue by model: while one version follows another, the queues of both count."""

from typing import Protocol
from weakref import WeakSet

from prometheus_client import Gauge


class Queue(Protocol):
    """What waits in front of one version."""

    @property
    def queued_jobs(self) -> int: ...

    @property
    def queued_pairs(self) -> int: ...


class Queues:
    """Shows sums, and keeps no queue alive."""

    def __init__(self, jobs: Gauge, pairs: Gauge) -> None:
        self._jobs = jobs
        self._pairs = pairs
        self._open: dict[str, WeakSet[Queue]] = {}

    def add(self, model: str, queue: Queue) -> None:
        if model not in self._open:
            of_model = self._open[model] = WeakSet()
            self._jobs.labels(model).set_function(lambda: sum(q.queued_jobs for q in of_model))
            self._pairs.labels(model).set_function(lambda: sum(q.queued_pairs for q in of_model))
        self._open[model].add(queue)
