import numpy as np
import pytest

from app.registry.rollout.comparison import Comparison, group_of
from app.registry.rollout.gate import GateRules, judge
from tests.registry.rollout.challengers import (
    bolder,
    compare,
    first_decision,
    indifferent,
    retrained,
    same,
    shuffled,
)

RULES = GateRules(min_s=0)
EARLY = 100  # requests


@pytest.mark.parametrize(
    ("change", "measure"),
    [(bolder, "ctr_ratio"), (shuffled, "rank_correlation")],
)
def test_what_is_grossly_different_is_rolled_back_early(change, measure):
    verdict, requests = first_decision(change, RULES)

    assert verdict.decision == "roll_back"
    assert verdict.reason.startswith(f"{measure} is ")
    assert requests <= EARLY


def test_a_version_that_ranks_nothing_is_rolled_back_though_its_mean_is_right():
    verdict, requests = first_decision(indifferent, RULES)

    assert verdict.decision == "roll_back"
    assert requests <= EARLY
    assert verdict.measures["ctr_ratio"].value == pytest.approx(1)


def test_one_ctr_for_all_requests_is_another_distribution():
    verdict, _ = first_decision(lambda logits, _: np.full_like(logits, -3), RULES)

    assert verdict.measures["psi"].low > RULES.max_psi


@pytest.mark.parametrize("change", [same, retrained])
def test_what_is_as_good_is_promoted_once_enough_was_seen(change):
    verdict, requests = first_decision(change, RULES)

    assert verdict.decision == "promote"
    assert requests >= RULES.min_requests


def test_what_is_as_good_is_never_rolled_back_however_often_one_looks():
    decisions = [first_decision(retrained, RULES, seed=seed)[0].decision for seed in range(25)]

    assert decisions == ["promote"] * 25


def test_what_is_just_acceptable_is_seldom_rolled_back():
    """Its mean CTR is higher by just as much as is allowed."""

    def on_the_border(logits, random):
        likely = 1 / (1 + np.exp(-logits)) * np.exp(random.normal(-0.045, 0.3, len(logits)))
        allowed = np.minimum((1 + RULES.max_ctr_change) * likely, 0.99)
        return np.log(allowed / (1 - allowed))

    rules = GateRules(min_s=0, confidence=0.95)

    verdicts = [first_decision(on_the_border, rules, seed=s, requests=1000)[0] for s in range(10)]

    assert sum(verdict.decision == "roll_back" for verdict in verdicts) <= 1


def test_what_takes_twice_as_long_is_rolled_back():
    verdict, _ = first_decision(same, RULES, seconds=0.010)

    assert verdict.decision == "roll_back"
    assert verdict.reason.startswith("latency_ratio is above 1.5")


@pytest.mark.parametrize("outcome", ["nan", "error"])
def test_three_failures_in_a_row_are_enough(outcome):
    comparison = Comparison()
    for _ in range(3):
        comparison.challenger.ended(0, outcome, 0.005)

    verdict = judge(comparison, RULES, seconds=0)

    assert verdict.decision == "roll_back"
    assert verdict.reason.startswith(f"{outcome}_rate is above 0.01")


def test_before_anything_was_seen_nothing_is_known():
    verdict = judge(Comparison(), RULES, seconds=1e6)

    assert verdict.decision == "wait"
    assert "ctr_ratio" in verdict.reason


def test_nothing_is_promoted_before_its_time():
    rules = GateRules(min_s=600)
    *_, (_, comparison) = compare(same, 1500)

    early, late = (judge(comparison, rules, seconds=seconds) for seconds in (599, 600))

    assert (early.decision, late.decision) == ("wait", "promote")
    assert "599 of 600 seconds" in early.reason


def test_a_few_users_do_not_decide_however_often_they_ask():
    comparison = Comparison()
    for number in range(1000):
        comparison.pairs.add(number % 5, np.array([0.1, 0.2]), np.array([0.2, 0.1]))

    assert judge(comparison, RULES, seconds=0).decision == "wait"


def test_a_version_that_is_sure_of_almost_everything_is_compared_too():
    comparison = Comparison()
    for number in range(200):
        group = group_of(f"user-{number}")
        ctr_C = np.array([0.5, 0.4]) if group == 0 else np.array([1e-200, 1e-210])
        comparison.pairs.add(group, np.array([0.03, 0.02]), ctr_C)

    verdict = judge(comparison, RULES, seconds=0)

    assert verdict.decision != "promote"
    assert all(np.isfinite([of.value, of.low, of.high]).all() for of in verdict.measures.values())
