"""Requests whose answers are known: scored offline by each version before anybody asks."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import torch

from app.api.parsing import parse_rank_body
from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from app.scoring.features import SentFeatures
from app.scoring.ranking import OfflineRanker
from app.scoring.rows import Row
from bench.traffic import http_request, known_ids

TOLERANCE = 1e-5  # what runtimes and neighbors may make of a score
USERS = 500
MAX_BATCH_PAIRS = 20_000

Ctrs = Mapping[str, float]  # by ad


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """One HTTP request, and what each version says to it."""

    content: bytes
    ctr_of: Mapping[str, Ctrs]

    def judge(self, answer: bytes) -> str | None:
        """What is wrong with an answer; None if it is that of the version that it names."""
        body = orjson.loads(answer)
        if body["degraded"] is not None:
            return f"degraded: {body['degraded']}"
        expected = self.ctr_of[body["model"]["version"]]
        if {ad["ad_id"] for ad in body["ranked"]} != expected.keys():
            return "ads are missing"
        differences = [abs(ad["ctr"] - expected[ad["ad_id"]]) for ad in body["ranked"]]
        return None if max(differences) <= TOLERANCE else "scores of another version"


def known_requests(
    store: ModelStore, model: str, versions: Sequence[str], shape: tuple[int, int], count: int
) -> list[KnownRequest]:
    """`shape`: candidates and behaviors of each."""
    bodies = _bodies(store.root, model, shape, count)
    by_version = {version: _offline(store, model, version, bodies) for version in versions}
    known = [
        KnownRequest(http_request(body), {one: by_version[one][number] for one in versions})
        for number, body in enumerate(bodies)
    ]
    for request in known:
        first, second = (np.array(list(ctrs.values())) for ctrs in request.ctr_of.values())
        if not np.abs(first - second).max() > 10 * TOLERANCE:
            raise SystemExit("the versions cannot be told apart by their scores")
    return known


def _bodies(root: Path, model: str, shape: tuple[int, int], count: int) -> list[dict[str, object]]:
    store, rng = ModelStore(root), random.Random(7)  # noqa: S311 - not for secrets
    artifact = store.load(model, store.active_versions()[model])
    items, categories = (known_ids(artifact, field) for field in ("item_id", "category_id"))
    candidates, behaviors = shape

    def item() -> dict[str, str]:
        return {"item_id": rng.choice(items), "category_id": rng.choice(categories)}

    return [
        {
            "user_id": f"user-{number % USERS}",
            "candidates": [{"ad_id": f"ad-{ad}", **item()} for ad in range(candidates)],
            "behaviors": [{**item(), "timestamp": second} for second in range(behaviors)],
        }
        for number in range(count)
    ]


def _offline(
    store: ModelStore, model: str, version: str, bodies: Sequence[dict[str, object]]
) -> list[Ctrs]:
    loaded = load_version(store.load(model, version), torch.device("cpu"))
    ranker = OfflineRanker(loaded, SentFeatures(print), MAX_BATCH_PAIRS)
    rows = (Row(number, parse_rank_body(orjson.dumps(body))) for number, body in enumerate(bodies))
    return [{ad.ad_id: ad.ctr for ad in ranking.ranked} for _, ranking in ranker.rank(rows)]
