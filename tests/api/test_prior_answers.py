"""Over HTTP, an engine that hangs or breaks costs the answer its quality, not its time."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.api.admin_key import AdminKey
from app.api.app import build_api
from app.features.feature_reader import FeatureReader
from app.inference.admission import Admission
from app.main import lifecycle_of, load_models, open_store, version_loader
from app.monitoring.metrics import Metrics
from app.ranking.ranker import Ranker
from app.registry.labeling import Labeling
from app.registry.loaded_version import LoadedVersion
from app.registry.registry import Registry
from tests.api.bodies import BEHAVIORS, body, ctr_by_ad, wire_behaviors
from tests.api.stub_apis import LIMITS
from tests.artifacts import TINY_RATES, publish_tiny_version
from tests.fakes import FailingEngine, StuckEngine
from tests.registry.registries import rollouts_of
from tests.registry.servables import ended
from tests.serving import RunningService, patient, serving_api

PATIENT = replace(LIMITS, body_timeout_s=60, default_deadline_ms=60_000, max_deadline_ms=60_000)
WORK = body(behaviors=wire_behaviors(BEHAVIORS), explain=2)
HURRIED = {**WORK, "deadline_ms": 100}
REQUESTS = 10


@dataclass(frozen=True, slots=True)
class Opened:
    """A running service, and its model to break."""

    service: RunningService
    version: LoadedVersion


@contextmanager
def opened(root: Path, redis_url: str, *, prior_fallback: bool) -> Iterator[Opened]:
    # Threads of Python take whatever is put in the place of the engine.
    settings, metrics = patient(model_store=root, runtime="reference"), Metrics()
    loader = version_loader(settings, metrics)
    models = load_models(settings, loader)
    registry = Registry(models, loader, metrics, keep_previous=False)
    store = open_store(settings, redis_url, timeout_s=5)
    features = FeatureReader(store, metrics, timeout_s=5)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await ended(models)
        await features.close()
        await store.close()

    admission = Admission(threads=1)
    ranker = Ranker(models, features, admission, metrics, prior_fallback=prior_fallback)
    lifecycle = lifecycle_of(settings)
    api = build_api(
        ranker,
        registry,
        Labeling(registry),
        rollouts_of(registry, metrics),
        metrics,
        PATIENT,
        admission,
        lifecycle,
        admin_key=AdminKey(None),
        lifespan=lifespan,
    )
    with serving_api(api, settings, lifecycle) as running:
        yield Opened(running, models.servables["tiny"].version)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, rates=TINY_RATES)
    return root


@pytest.fixture
def with_prior(root: Path, redis_server: str) -> Iterator[Opened]:
    with opened(root, redis_server, prior_fallback=True) as running:
        yield running


@pytest.fixture
def without_prior(root: Path, redis_server: str) -> Iterator[Opened]:
    with opened(root, redis_server, prior_fallback=False) as running:
        yield running


def test_a_broken_engine_is_answered_by_the_prior_and_says_why(
    with_prior: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    with_prior.version.runtime = FailingEngine()

    with caplog.at_level(logging.INFO, "app.request"):
        answer = with_prior.service.ranking(WORK)
        answered = prior_answers(with_prior.service, "engine-failed")  # after the line is written

    assert answer["degraded"] == "prior"
    assert answer["model"] == {"name": "tiny", "version": "1"}
    assert answer["user"] == {"behaviors": 0, "unknown_items": 0}
    assert [one["attention"] for one in answer["ranked"]] == [[]] * 5
    assert len(set(ctr_by_ad(answer).values())) == 5
    (line,) = (one for one in caplog.records if getattr(one, "route", "") == "/v1/rank")
    assert (line.degraded, line.degraded_reason) == ("prior", "engine-failed")
    assert line.batch_jobs == 0
    assert answered == 1
    assert with_prior.service.metric("ctr_shed_total") == 0


def test_a_stuck_engine_is_answered_by_the_prior_within_the_deadline(with_prior: Opened) -> None:
    version, service = with_prior.version, with_prior.service
    healthy = version.runtime
    version.runtime = stuck = StuckEngine(healthy)

    answers = [service.rank(HURRIED) for _ in range(REQUESTS)]

    stuck.let_go()
    version.runtime = healthy
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() <= {200, 504}  # 504 where this machine was busy at the wrong moment
    assert statuses[200] > 0
    assert {one.json()["degraded"] for one in answers if one.status_code == 200} == {"prior"}
    # One that was ready a moment too late has been counted all the same.
    assert statuses[200] <= prior_answers(service, "deadline-exceeded") <= REQUESTS
    assert service.metric("ctr_shed_total", reason="deadline-exceeded") == statuses[504]
    assert service.ranking(WORK)["degraded"] is None


def test_without_the_fallback_a_broken_engine_is_a_503(without_prior: Opened) -> None:
    without_prior.version.runtime = FailingEngine()

    answer = without_prior.service.rank(WORK)

    assert (answer.status_code, answer.json()["title"]) == (503, "Engine failed")
    assert prior_answers(without_prior.service, "engine-failed") == 0
    assert without_prior.service.metric("ctr_shed_total", reason="engine-failed") == 1


def test_without_the_fallback_a_stuck_engine_is_a_504(without_prior: Opened) -> None:
    version = without_prior.version
    version.runtime = stuck = StuckEngine(version.runtime)

    answer = without_prior.service.rank(HURRIED)

    stuck.let_go()
    assert (answer.status_code, answer.json()["title"]) == (504, "Deadline exceeded")
    assert prior_answers(without_prior.service, "deadline-exceeded") == 0


def prior_answers(service: RunningService, reason: str) -> float:
    return service.metric("ctr_degraded_total", rung="prior", reason=reason)
