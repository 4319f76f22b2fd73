"""Stages of a request are counted by calling their functions once more."""

import json

import pytest

from app.main import build_service, lifecycle_of
from bench.instruction_stages import EVERYTHING, STAGES
from bench.instructions import REQUESTS, REST, thousands_per_request
from bench.replays import recorded, replay
from bench.without_sockets import rank_all, stub_for_kernel
from tests.api.bodies import body
from tests.artifacts import publish_tiny_version
from tests.serving import patient


class Doubling:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def double(self, number: int) -> int:
        self.asked.append(number)
        return 2 * number


def test_recorded_calls_are_made_again():
    doubling = Doubling()

    with recorded({"doubling": [(Doubling, "double")]}) as calls:
        answers = [doubling.double(1), doubling.double(number=2)]
    replay(calls["doubling"])

    assert answers == [2, 4]
    assert doubling.asked == [1, 2, 1, 2]


def test_nothing_is_recorded_afterwards():
    double = Doubling.double

    with recorded({"doubling": [(Doubling, "double")]}) as calls:
        pass
    Doubling().double(1)

    assert not calls["doubling"]
    assert Doubling.double is double


@pytest.mark.anyio
async def test_a_request_passes_through_every_stage(tmp_path, redis_url):
    publish_tiny_version(tmp_path)
    settings = patient(model_store=tmp_path, runtime="fused")
    service = build_service(settings, redis_url, lifecycle_of(settings))
    bodies = [json.dumps(body(user_id=f"user-{number}")).encode() for number in range(3)]

    api = service.application
    async with api.router.lifespan_context(api):
        with stub_for_kernel(), recorded(STAGES) as calls:
            await rank_all(service, bodies, at_once=2)
        for stage in STAGES:
            replay(calls[stage])

    assert {stage for stage in STAGES if calls[stage]} == set(STAGES)


def test_a_table_adds_up():
    counts = {EVERYTHING: 2_000_000 * REQUESTS} | dict.fromkeys(STAGES, 100_000 * REQUESTS)

    thousands = thousands_per_request(counts)

    assert thousands[EVERYTHING] == 2_000
    assert thousands[REST] == 2_000 - 100 * len(STAGES)
