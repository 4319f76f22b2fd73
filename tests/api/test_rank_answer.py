"""The shape and the arithmetic of the answer of `POST /v1/rank`."""

from collections.abc import Mapping

import pytest

from app.api.wire_answer import RankAnswer
from tests.api.bodies import BEHAVIORS, Json, ad, ads, body, ctr_by_ad, wire_behaviors
from tests.serving import RunningService

INLINE = wire_behaviors(BEHAVIORS)
BIDS = [0.5, 3.0, 0.0, 1e9, 0.25]
BIDDING_ADS = [ad(number, bid=bid) for number, bid in enumerate(BIDS)]


def test_an_answer_has_exactly_the_documented_members(service: RunningService) -> None:
    answer = service.ranking(body(behaviors=INLINE, explain=1, candidates=BIDDING_ADS))

    RankAnswer.model_validate(answer)
    assert answer.keys() == {"request_id", "model", "user", "degraded", "ranked"}
    assert answer["model"] == {"name": "tiny", "version": "1"}
    assert answer["user"] == {"behaviors": 3, "unknown_items": 0}
    assert answer["degraded"] is None
    for ranked in answer["ranked"]:
        assert ranked.keys() == {"ad_id", "rank", "ctr", "ecpm", "attention"}
        (attended,) = ranked["attention"]
        assert attended.keys() == {"item_id", "category_id", "timestamp", "weight"}


def test_every_candidate_is_ranked_once_with_the_best_first(service: RunningService) -> None:
    answer = service.ranking(body(candidates=ads(50)))

    ranked = answer["ranked"]
    ctrs = [one["ctr"] for one in ranked]
    assert ctrs == sorted(ctrs, reverse=True)
    assert len(set(ctrs)) > 1
    assert [one["rank"] for one in ranked] == list(range(1, 51))
    assert {one["ad_id"] for one in ranked} == {f"ad-{number}" for number in range(50)}
    assert all(0.0 <= ctr <= 1.0 for ctr in ctrs)


def test_equal_values_keep_the_order_of_the_request(service: RunningService) -> None:
    worth_nothing = [{**ad(1), "ad_id": name, "bid": 0.0} for name in ("z", "a", "m")]

    answer = service.ranking(body(candidates=worth_nothing, rank_by="ecpm"))

    assert [one["ecpm"] for one in answer["ranked"]] == [0.0, 0.0, 0.0]
    assert [one["ad_id"] for one in answer["ranked"]] == ["z", "a", "m"]


def test_the_same_item_scores_the_same_in_every_place(service: RunningService) -> None:
    same = [{**ad(1), "ad_id": name} for name in ("z", "a", "m")]

    ranked = service.ranking(body(candidates=same))["ranked"]

    assert [one["ctr"] for one in ranked] == pytest.approx([ranked[0]["ctr"]] * 3, abs=1e-6)


@pytest.mark.parametrize("top_k", [1, 3, 5, 6, 10**9])
def test_top_k_shortens_the_answer_and_nothing_else(service: RunningService, top_k: int) -> None:
    everything = service.ranking(body())["ranked"]

    best = service.ranking(body(top_k=top_k))["ranked"]

    assert best == everything[:top_k]


def test_ecpm_is_a_thousand_times_bid_times_ctr(service: RunningService) -> None:
    bids = {one["ad_id"]: one["bid"] for one in BIDDING_ADS}

    answer = service.ranking(body(candidates=BIDDING_ADS))

    for ranked in answer["ranked"]:
        expected = 1000 * bids[ranked["ad_id"]] * ranked["ctr"]
        assert ranked["ecpm"] == pytest.approx(expected, rel=1e-12)


def test_ranking_by_ecpm_orders_by_revenue_and_keeps_the_ctrs(service: RunningService) -> None:
    by_ctr = service.ranking(body(candidates=BIDDING_ADS))

    by_ecpm = service.ranking(body(candidates=BIDDING_ADS, rank_by="ecpm"))

    ecpms = [one["ecpm"] for one in by_ecpm["ranked"]]
    assert ecpms == sorted(ecpms, reverse=True)
    assert by_ecpm["ranked"][0]["ad_id"] == "ad-3"  # bids a billion
    assert ctr_by_ad(by_ecpm) == pytest.approx(ctr_by_ad(by_ctr), abs=1e-6)


def test_an_ad_without_a_bid_has_no_ecpm(service: RunningService) -> None:
    answer = service.ranking(body(candidates=[ad(1, bid=1.0), ad(2), ad(3, bid=None)]))

    ecpm = {one["ad_id"]: one["ecpm"] for one in answer["ranked"]}
    assert ecpm["ad-1"] > 0
    assert ecpm["ad-2"] is None
    assert ecpm["ad-3"] is None


def test_explain_returns_the_most_attended_behaviors_heaviest_first(
    service: RunningService,
) -> None:
    everything = service.ranking(body(behaviors=INLINE, explain=1000))

    best_two = service.ranking(body(behaviors=INLINE, explain=2))

    for ranked, shortened in zip(everything["ranked"], best_two["ranked"], strict=True):
        weights = [attended["weight"] for attended in ranked["attention"]]
        assert weights == sorted(weights, reverse=True)
        assert sum(weights) == pytest.approx(1.0, abs=1e-5)
        assert set(_ids(ranked["attention"])) == set(BEHAVIORS)
        assert _ids(shortened["attention"]) == _ids(ranked["attention"])[:2]


def test_explain_names_inline_behaviors_that_the_model_does_not_know(
    service: RunningService,
) -> None:
    behaviors = wire_behaviors([("never seen", "nor this", 7)])

    answer = service.ranking(body(behaviors=behaviors, explain=1))

    (attended,) = answer["ranked"][0]["attention"]
    assert attended == {**behaviors[0], "weight": pytest.approx(1.0)}


def test_without_explain_there_is_no_attention(service: RunningService) -> None:
    answer = service.ranking(body(behaviors=INLINE))

    assert all(ranked["attention"] == [] for ranked in answer["ranked"])


def test_only_the_newest_behaviors_that_the_model_uses_count(service: RunningService) -> None:
    behaviors = wire_behaviors([(f"item-{n}", "category-1", n) for n in range(30)])

    answer = service.ranking(body(behaviors=behaviors, explain=1000))

    used = {attended["timestamp"] for attended in answer["ranked"][0]["attention"]}
    assert answer["user"]["behaviors"] == 10
    assert used == set(range(20, 30))


def test_unknown_items_of_history_and_candidates_are_counted(service: RunningService) -> None:
    behaviors = wire_behaviors([*BEHAVIORS, ("unknown-1", "category-1", 400)])
    candidates = [ad(1), ad(2, item_id="unknown-2"), ad(3, category_id="unknown-3")]

    answer = service.ranking(body(behaviors=behaviors, candidates=candidates))

    assert answer["user"] == {"behaviors": 4, "unknown_items": 2}


def test_the_same_request_has_the_same_scores_every_time(service: RunningService) -> None:
    request = body(behaviors=INLINE, candidates=ads(40))

    first, second = service.ranking(request), service.ranking(request)

    assert ctr_by_ad(first) == pytest.approx(ctr_by_ad(second), abs=1e-6)


def test_a_full_request_is_answered_in_full(service: RunningService) -> None:
    behaviors = wire_behaviors([(f"item-{n}", "category-1", n) for n in range(1000)])

    answer = service.ranking(body(behaviors=behaviors, candidates=ads(1000), explain=10))

    assert len(answer["ranked"]) == 1000


def test_more_explanations_than_the_loop_can_render_are_refused(service: RunningService) -> None:
    answer = service.rank(body(candidates=ads(1000), explain=11))
    fewer = service.ranking(body(candidates=ads(1000), explain=11, top_k=909))

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["explain"]
    assert len(fewer["ranked"]) == 909


@pytest.mark.parametrize(
    "extreme",
    [1e300, -1e300, 1e38, -1e38, 1e-300, 10**300, "1e300", "-Infinity", "NaN", "text", "", None],
    ids=repr,
)
@pytest.mark.parametrize("place", ["candidate", "profile"])
def test_no_number_is_too_extreme_for_a_score(
    service: RunningService, place: str, extreme: object
) -> None:
    request: Mapping[str, Json] = {
        "candidate": body(candidates=[ad(1, price=extreme), ad(2)]),
        "profile": body(profile={"age": extreme}),
    }

    answer = service.ranking(request[place])

    RankAnswer.model_validate(answer)


def _ids(attention: list[Json]) -> list[tuple[str, str, int]]:
    return [(one["item_id"], one["category_id"], one["timestamp"]) for one in attention]
