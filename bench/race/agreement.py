"""Correctness first: a contestant's scores must be ours before its time counts."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import torch

from app.core.calibration import ctr_of
from app.core.keys import keys_of
from app.core.request import BehaviorSequence, Candidates, UserContext
from app.registry.loaded_version import load_version
from app.registry.model_store import Artifact
from bench.race.running import JSON, Running
from bench.race.workload import KnownIds, write

TOLERANCE = 1e-4
LEAST_SPREAD = 1e-2  # of the reference's CTRs; were they all alike, agreeing would say nothing
LENGTHS = (0, 1, 2, 7, 20, 50, 100, 150)  # the last is longer than the model looks at

Body = dict[str, Any]
CtrOfAds = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Samples:
    """Requests with unknown items and categories, by users with short, long and no histories."""

    histories: Mapping[str, BehaviorSequence]
    bodies: Sequence[Body]
    expected: Sequence[CtrOfAds]

    @property
    def spread(self) -> float:
        ctrs = [ctr for answer in self.expected for ctr in answer.values()]
        return max(ctrs) - min(ctrs)


def make_samples(artifact: Artifact, ids: KnownIds) -> Samples:
    """With the CTRs of the reference engine, in this process."""
    rng = np.random.default_rng(11)
    histories = {f"sample-{length:03}": _history(rng, ids, length) for length in LENGTHS if length}
    users = [*histories, "sample-nobody"]
    bodies = [
        {"user_id": user, "candidates": _ads(rng, ids, 20 + 7 * n)} for n, user in enumerate(users)
    ]
    return Samples(histories, bodies, _reference(artifact, histories, bodies))


def write_samples(redis_url: str, samples: Samples) -> None:
    asyncio.run(write(redis_url, dict(samples.histories)))


def largest_difference(server: Running, samples: Samples) -> float:
    """Between its CTRs and the reference's; infinite if an ad has none."""
    before, after = server.contestant.wrap
    url = f"http://127.0.0.1:{server.port}{server.contestant.path}"
    worst = 0.0
    for body, expected in zip(samples.bodies, samples.expected, strict=True):
        content = before + json.dumps(body).encode() + after
        answer = httpx.post(url, content=content, headers=JSON, timeout=30).raise_for_status()
        worst = max(worst, difference(ctr_of_ads(answer.json()), expected))
    return worst


def ctr_of_ads(answer: Body | list[Body]) -> CtrOfAds:
    """From our answer, or from a peer's, which may be a list of one."""
    if isinstance(answer, list):
        answer = answer[0]
    if "ranked" in answer:
        return {ad["ad_id"]: ad["ctr"] for ad in answer["ranked"]}
    scores: CtrOfAds = answer["scores"]
    return scores


def difference(found: CtrOfAds, expected: CtrOfAds) -> float:
    if found.keys() != expected.keys():
        return float("inf")
    return max(abs(found[ad] - ctr) for ad, ctr in expected.items())


def _history(rng: np.random.Generator, ids: KnownIds, length: int) -> BehaviorSequence:
    items = [*rng.choice(ids.items, length - length // 5), *(["never-seen"] * (length // 5))]
    keys = [keys_of(items), keys_of(rng.choice(ids.categories, length))]
    return BehaviorSequence(np.stack(keys, axis=1), np.arange(length, dtype=np.uint32))


def _ads(rng: np.random.Generator, ids: KnownIds, count: int) -> list[Body]:
    items, categories = rng.choice(ids.items, count), rng.choice(ids.categories, count)
    unknown = {"ad_id": "new-item", "item_id": "never-seen", "category_id": "never-seen-either"}
    known = [
        {"ad_id": f"ad-{n}", "item_id": item, "category_id": category}
        for n, (item, category) in enumerate(zip(items.tolist(), categories.tolist(), strict=True))
    ]
    return [*known, unknown]


def _reference(
    artifact: Artifact, histories: Mapping[str, BehaviorSequence], bodies: Sequence[Body]
) -> list[CtrOfAds]:
    version = load_version(artifact, torch.device("cpu"), "reference")
    answers: list[CtrOfAds] = []
    for body in bodies:
        ads = body["candidates"]
        fields = {name: [ad[name] for ad in ads] for name in ("item_id", "category_id")}
        candidates = Candidates([ad["ad_id"] for ad in ads], [None] * len(ads), fields)
        user = body["user_id"]
        context = UserContext(user, histories[user]) if user in histories else UserContext(user)
        scored = version.score([(context, candidates)])[0]
        ctr_C = ctr_of(scored.logits_C, artifact.manifest.calibration)
        answers.append(dict(zip(candidates.ad_ids, ctr_C.tolist(), strict=True)))
    return answers
