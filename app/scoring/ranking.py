"""Rows to rankings: the users of several rows in one ragged batch, as in serving."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.core.request import Ranking
from app.inference.cost_model import Size
from app.ranking.assembly import assemble
from app.registry.loaded_version import LoadedVersion
from app.scoring.features import FeatureSource
from app.scoring.rows import Row


@dataclass(frozen=True, slots=True)
class OfflineRanker:
    """One version, asked as fast as it answers."""

    version: LoadedVersion
    features: FeatureSource
    max_batch_pairs: int

    def rank(self, rows: Iterable[Row]) -> Iterator[tuple[Row, Ranking]]:
        """In the order of the rows, of which no more than a batch is in memory."""
        schema = self.version.encoder.schema
        costs = ((row, self._cost(row, schema.max_behaviors)) for row in rows)
        for batch in batches_of(costs, self.max_batch_pairs):
            requests = [row.request for row in batch]
            features = self.features.read(requests)
            scored = self.version.score([(one.user, one.candidates) for one in features])
            for row, known, scores in zip(batch, features, scored, strict=True):
                yield row, assemble(row.request, known, self.version, scores)

    def _cost(self, row: Row, max_behaviors: int) -> int:
        """A history that is still to be read counts as a full one."""
        inline = row.request.behaviors
        behaviors = self.features.longest_history if inline is None else len(inline)
        return Size(len(row.request.candidates), min(behaviors, max_behaviors)).pairs


def batches_of(costs: Iterable[tuple[Row, int]], max_cost: int) -> Iterator[list[Row]]:
    """Rows in their order, as many together as `max_cost` allows; the first always fits."""
    batch: list[Row] = []
    total = 0
    for row, cost in costs:
        if batch and total + cost > max_cost:
            yield batch
            batch, total = [], 0
        batch.append(row)
        total += cost
    if batch:
        yield batch
