"""An answer that is ready too late is a 504: nobody waits for it, and nobody may bid with it."""

import pytest
from anyio.lowlevel import checkpoint

from app.api.rank_routes import TOLERANCE_S
from app.core.deadline import StageTimes
from app.core.request import Ranking, RankRequest
from app.inference.admission import Ticket
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.settings import Settings
from tests.api.bodies import body
from tests.api.stub_apis import api_with
from tests.api.test_hanging_up import AlwaysReady
from tests.serving import serving_api

ANSWER = Ranking("careless", "1", 0, 0, None, None, {}, [])


class CarelessRanker(Ranker):
    """Answers before its time is up, or only after that."""

    def __init__(self, *, late: bool) -> None:
        self._late = late

    async def rank(
        self, request: RankRequest, ticket: Ticket, times: StageTimes
    ) -> tuple[Ranking, int]:
        while self._late and ticket.deadline.remaining_s() > -2 * TOLERANCE_S:
            await checkpoint()
        return ANSWER, 1


@pytest.mark.parametrize(("late", "status"), [(True, 504), (False, 200)])
def test_a_200_never_leaves_after_its_deadline(late, status):
    api = api_with(CarelessRanker(late=late), AlwaysReady({}, default=None), Metrics())
    with serving_api(api, Settings()) as service:
        answer = service.rank(body(deadline_ms=20 if late else 1_000))

    assert answer.status_code == status
