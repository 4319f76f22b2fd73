"""One version beside another while requests go on: everything that both say is compared."""

import time
from collections.abc import Callable

from app.core.batch import Floats
from app.core.calibration import ctr_of
from app.core.request import Candidates, UserContext
from app.errors import CtrError, DeadlineExceeded, NotNumbers
from app.registry.rollout.comparison import Comparison, Outcome, Side, group_of
from app.registry.rollout.copies import Copies
from app.registry.rollout.gate import GateRules, Verdict, judge
from app.registry.rollout.plan import RolloutPlan
from app.registry.rollout.user_split import UserSplit
from app.registry.servable import ScoredRequest, Servable
from app.registry.served_models import Canary, ServedModels

SECONDS_BETWEEN_VERDICTS = 0.5

Count = Callable[[Outcome, float], None]  # how a request ended, after so many seconds


class Trial:
    """Watches both versions, and speaks up once there is something to decide."""

    def __init__(  # noqa: PLR0913 - two versions and all that is done with them
        self,
        active: Servable,
        challenger: Servable,
        plan: RolloutPlan,
        copies: Copies,
        rules: GateRules,
        decide: Callable[["Trial", Verdict], None],
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`decide` is called once, with a verdict that is not to wait."""
        self.active = active
        self.challenger = challenger
        self.plan = plan
        self.copies = copies
        self.comparison = Comparison()
        self.is_over = False
        self._rules = rules
        self._decide = decide
        self._monotonic_s = monotonic_s
        self._started_s = self._judged_s = monotonic_s()
        self.latest = self.verdict()  # at most as old as a request and half a second
        self._observers = {
            active: _Observer(self, self.comparison.active, self._answered_by_active),
            challenger: _Observer(self, self.comparison.challenger, self._answered_by_challenger),
        }

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self._monotonic_s() - self._started_s

    def begin(self, models: ServedModels) -> None:
        """From the next request on."""
        for servable, observer in self._observers.items():
            servable.observers = (*servable.observers, observer)
        self.follow(self.plan, models)

    def follow(self, plan: RolloutPlan, models: ServedModels) -> None:
        """The same version, for more users or fewer; what was learned is kept."""
        self.plan = plan
        self._split = UserSplit(self.challenger.version.reference, plan.percent)
        name = self.active.key.name
        models.canaries.pop(name, None)
        if plan.mode == "canary" and not self.is_over:
            models.canaries[name] = Canary(self.challenger, self._split)

    def end(self, models: ServedModels) -> None:
        """The next request is answered by the active version, whoever sends it."""
        self.is_over = True
        models.canaries.pop(self.active.key.name, None)
        for servable, observer in self._observers.items():
            servable.observers = tuple(one for one in servable.observers if one is not observer)

    def verdict(self) -> Verdict:
        """As things are now."""
        return judge(self.comparison, self._rules, seconds=self.seconds)

    def judge_now_and_then(self) -> None:
        now_s = self._monotonic_s()
        if self.is_over or now_s - self._judged_s < SECONDS_BETWEEN_VERDICTS:
            return
        self._judged_s = now_s
        self.latest = self.verdict()
        if self.latest.decision != "wait":
            self.is_over = True
            self._decide(self, self.latest)

    def _answered_by_active(
        self, user: UserContext, candidates: Candidates, logits_C: Floats
    ) -> None:
        if self.plan.mode != "shadow" or not self._split.takes(user.user_id):
            return
        observer = self._observers[self.challenger]

        def scored(copy_C: Floats, seconds: float) -> None:
            observer.ended(user, "scored", seconds)
            self._compare(user, logits_C, copy_C)

        def failed(error: CtrError, seconds: float) -> None:
            observer.failed(user, error, seconds)

        self.copies.score(self.challenger, user, candidates, scored, failed)

    def _answered_by_challenger(
        self, user: UserContext, candidates: Candidates, logits_C: Floats
    ) -> None:
        def scored(copy_C: Floats, _: float) -> None:
            self._compare(user, copy_C, logits_C)

        def failed(_: CtrError, __: float) -> None:
            """Of the active version: no reason to doubt the challenger."""

        self.copies.score(self.active, user, candidates, scored, failed)

    def _compare(self, user: UserContext, active_C: Floats, challenger_C: Floats) -> None:
        old_ctr_C = ctr_of(active_C, self.active.version.manifest.calibration)
        new_ctr_C = ctr_of(challenger_C, self.challenger.version.manifest.calibration)
        self.comparison.pairs.add(group_of(user.user_id), old_ctr_C, new_ctr_C)
        self.judge_now_and_then()


class _Observer:
    """What one of the versions was asked, and how that ended."""

    def __init__(
        self,
        trial: Trial,
        side: Side,
        answered: Callable[[UserContext, Candidates, Floats], None],
    ) -> None:
        self._trial = trial
        self._side = side
        self._answered = answered

    def scored(
        self, user: UserContext, candidates: Candidates, scored: ScoredRequest, seconds: float
    ) -> None:
        self.ended(user, "scored", seconds)
        self._answered(user, candidates, scored.scores.logits_C)

    def failed(self, user: UserContext, error: CtrError, seconds: float) -> None:
        self.ended(user, _outcome_of(error), seconds)

    def ended(self, user: UserContext, outcome: Outcome, seconds: float) -> None:
        self._side.ended(group_of(user.user_id), outcome, seconds)
        self._trial.judge_now_and_then()


def _outcome_of(error: CtrError) -> Outcome:
    if isinstance(error, NotNumbers):
        return "nan"
    return "late" if isinstance(error, DeadlineExceeded) else "error"
