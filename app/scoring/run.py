"""From rankings to the lines of a file, and what they were."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.api.wire_answer import answer_json
from app.core.request import Ranking
from app.scoring.answers import Write
from app.scoring.rows import Row


@dataclass(frozen=True, slots=True)
class Written:
    """How much was answered, and how often without a history that exists."""

    rows: int
    candidates: int
    degraded: int


def write_answers(rankings: Iterable[tuple[Row, Ranking]], write: Write) -> Written:
    """One answer per row, shaped like the service's; the row's number is its request id."""
    rows = candidates = degraded = 0
    for row, ranking in rankings:
        write(answer_json(ranking, str(row.number)))
        rows += 1
        candidates += len(row.request.candidates)
        degraded += ranking.degraded is not None
    return Written(rows, candidates, degraded)
