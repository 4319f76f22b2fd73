"""Histograms that cost a request next to nothing.

prometheus_client's own goes through the buckets in Python and takes locks for each value: 9,000
instructions, ten times a request. Here it is a search and two sums; what is shown is the same.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString


class Observations:
    """What was observed under one set of labels, by one thread at a time."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * len(bounds)
        self._exemplars: dict[int, Exemplar] = {}  # the latest of each bucket
        self._sum = 0.0

    def observe(self, value: float, exemplar: dict[str, str] | None = None) -> None:
        """Of a number; `exemplar`: labels that lead to where it comes from."""
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._sum += value
        if exemplar is not None:
            now_s = time.time()  # noqa: TID251 - Prometheus puts it on its own time line
            self._exemplars[bucket] = Exemplar(exemplar, value, now_s)

    @contextmanager
    def time(self) -> Iterator[None]:
        """Observes how many seconds the context took, however it ends."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - started_s)

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        cumulative = accumulate(self._counts[:])
        names = map(floatToGoString, self._bounds)
        exemplars = [self._exemplars.get(bucket) for bucket in range(len(self._bounds))]
        buckets = [
            (name, count) if exemplar is None else (name, count, exemplar)
            for name, count, exemplar in zip(names, cumulative, exemplars, strict=True)
        ]
        family.add_metric(labels, buckets, self._sum)


class Histogram(Collector):
    """As prometheus_client's: a family of observations, one for each set of label values."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label_names: Sequence[str] = (),
        *,
        buckets: Iterable[float],
        registry: CollectorRegistry,
    ) -> None:
        """`buckets`: their upper bounds, in order; values beyond the last are counted too.

        Raises ValueError for bounds that do not rise.
        """
        self._name = name
        self._documentation = documentation
        self.label_names = tuple(label_names)
        self.bounds = (*buckets, inf)
        if not all(low < high for low, high in pairwise(self.bounds)):
            raise ValueError(f"{name} has bounds that do not rise: {self.bounds}")
        self._observations: dict[tuple[str, ...], Observations] = {}
        if not self.label_names:
            self.observe = self.labels().observe  # what has no labels is observed itself
        registry.register(self)

    def labels(self, *values: object) -> Observations:
        """Those of these label values, in the order of their names."""
        texts = tuple(map(str, values))
        if len(texts) != len(self.label_names):
            raise ValueError(f"{self._name} has the labels {self.label_names}, not {texts}")
        known = self._observations.get(texts)
        # In one step: of two threads that come first, each keeps what the other one made.
        return known or self._observations.setdefault(texts, Observations(self.bounds))

    def describe(self) -> Iterable[HistogramMetricFamily]:
        yield HistogramMetricFamily(self._name, self._documentation, labels=self.label_names)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        (family,) = self.describe()
        for texts, observations in list(self._observations.items()):
            observations.add_to(family, texts)
        yield family
