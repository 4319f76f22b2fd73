"""Loaded versions and the requests that servables are asked."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from app.core.batch import Scores
from app.core.keys import key_of
from app.core.request import BehaviorSequence, Candidates, UserContext
from app.features.encoder import Encoder
from app.inference.batch_policy import BatchPolicy
from app.inference.engine import Engine
from app.inference.fused.user_state_cache import UserStateCache
from app.monitoring.metrics import Metrics
from app.registry.exports.loading import RuntimeName
from app.registry.loading import VersionLoader
from app.registry.model_store import Artifact, ModelStore
from app.registry.servable import Running, Servable
from app.registry.served_models import ServedModels
from app.registry.trained_model import trained_model
from app.registry.version_states import VersionKey
from tests.artifacts import CATEGORIES, DEVICES, ITEMS

ROOMY = BatchPolicy(max_batch_pairs=1_000_000, max_queued_pairs=1_000_000)

Request = tuple[UserContext, Candidates]


def load(
    root: Path,
    name: str = "tiny",
    *,
    metrics: Metrics | None = None,
    policy: BatchPolicy = ROOMY,
    threads: int = 1,
) -> Servable:
    """The active version of this name on the CPU."""
    store, metrics, cpu = ModelStore(root), metrics or Metrics(), torch.device("cpu")
    loader = VersionLoader(store, cpu, policy, metrics, running(metrics, threads=threads))
    return loader.open(loader.load(VersionKey(name, store.active_versions()[name])))


def running(metrics: Metrics, *, runtime: RuntimeName = "auto", threads: int = 1) -> Running:
    """As the service runs its models, with little memory for users."""
    return Running(runtime, threads, UserStateCache(2**20, metrics))


def direct_scores(artifact: Artifact, requests: Sequence[Request]) -> list[Scores]:
    """Each request's scores without queue or company."""
    engine = Engine(trained_model(artifact), torch.device("cpu"))
    encoder = Encoder(artifact.manifest.features, artifact.vocabularies)
    return [engine.score(encoder.encode([request]).batch) for request in requests]


def draw_request(random: np.random.Generator) -> Request:
    """Some behaviors or none, some candidates, some of each unknown to the model."""
    items, categories = [*ITEMS, "never seen"], [*CATEGORIES, "never seen"]
    behaviors, count = int(random.integers(0, 15)), int(random.integers(1, 6))
    keys = [
        (key_of(str(random.choice(items))), key_of(str(random.choice(categories))))
        for _ in range(behaviors)
    ]
    user = UserContext(
        f"user-{random.integers(100)}",
        BehaviorSequence(
            np.array(keys, np.uint64).reshape(-1, 2), np.arange(behaviors, dtype=np.uint32)
        ),
        {"age": float(random.integers(18, 90))},
        {"device": str(random.choice([*DEVICES, "toaster"]))},
    )
    fields = {
        "item_id": [str(item) for item in random.choice(items, count)],
        "category_id": [str(category) for category in random.choice(categories, count)],
        "price": random.normal(5, 2, count).tolist(),
    }
    return user, Candidates([f"ad-{number}" for number in range(count)], [None] * count, fields)


def draw_requests(count: int, *, seed: int = 0) -> list[Request]:
    random = np.random.default_rng(seed)
    return [draw_request(random) for _ in range(count)]


async def ended(models: ServedModels) -> None:
    """Everything that was asked of them is answered."""
    for servable in models.servables.values():
        await servable.drain()
