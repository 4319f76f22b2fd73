"""Real data through the whole service: do HTTP scores equal the offline ones?

Loads an interaction log into Redis without each user's last event, serves the model, ranks every
test user's positive and negative over HTTP, and compares AUC and logloss with offline scores of the
same samples.

Example: python -m bench.http_parity clicks.tsv.gz samples --store model_store --model dien
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import groupby, islice
from pathlib import Path

import httpx
import numpy as np

from app.features.embedded_redis import embedded_redis
from app.registry.model_store import ModelStore
from app.training.evaluation import evaluate
from app.training.offline import score_samples
from app.training.samples import read_samples
from bench.serving import running_service

CONCURRENCY = 16

Row = dict[str, str]


def main() -> None:
    options = parse_options()
    rows = read_rows(options.samples / "test.tsv", options.users)
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        loaded = load_behaviors(redis_url, options.interactions)
        settings = {
            "CTR_MODEL_STORE": str(options.store),
            "CTR_DEFAULT_MODEL": options.model,
            "CTR_LOG_LEVEL": "WARNING",
        }
        with running_service(redis_url, settings, log=Path(folder, "service.log")) as service:
            ctr_C = asyncio.run(rank_over_http(service.url, rows))
            degraded = service.metric("ctr_degraded_total")
    offline_C = offline_scores(options, len(rows))
    labels_C = np.array([float(row["label"]) for row in rows], np.float32)
    users_C = np.unique([row["user_id"] for row in rows], return_inverse=True)[1]
    result = {
        "users": len(set(users_C.tolist())),
        "bulk_load": loaded,
        "degraded": degraded,
        "max_ctr_difference": float(np.abs(ctr_C - offline_C).max()),
        "http": evaluate(ctr_C, labels_C, users_C).model_dump(),
        "offline": evaluate(offline_C, labels_C, users_C).model_dump(),
    }
    print(json.dumps(result, indent=1))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("interactions", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="dien")
    parser.add_argument("--users", type=int, help="first users of the test split; all by default")
    return parser.parse_args()


def read_rows(path: Path, users: int | None) -> list[Row]:
    with path.open() as file:
        header = file.readline().rstrip("\n").split("\t")
        rows = [dict(zip(header, line.rstrip("\n").split("\t"), strict=True)) for line in file]
    if users is None:
        return rows
    of_users = (list(ads) for _, ads in groupby(rows, key=lambda row: row["user_id"]))
    return [row for ads in islice(of_users, users) for row in ads]


def load_behaviors(redis_url: str, interactions: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "app", "load-behaviors", str(interactions)]
    output = subprocess.run(
        [*command, "--hold-out", "1", "--json"],
        env={**os.environ, "CTR_REDIS_URL": redis_url},
        check=True,
        capture_output=True,
    ).stdout
    loaded: dict[str, float] = json.loads(output)
    return loaded


async def rank_over_http(url: str, rows: Sequence[Row]) -> "np.ndarray":
    """CTRs [C] in the order of the rows; one request a user."""
    ctr_C = np.empty(len(rows))
    users = groupby(enumerate(rows), key=lambda item: item[1]["user_id"])
    work = iter([(user_id, list(ads)) for user_id, ads in users])
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:

        async def rank_until_done() -> None:
            for user_id, ads in work:
                body = {
                    "user_id": user_id,
                    "candidates": [
                        {"ad_id": str(i), "item_id": row["item_id"], "category_id": row["cate_id"]}
                        for i, row in ads
                    ],
                }
                answer = (await client.post("/v1/rank", json=body)).raise_for_status().json()
                for ranked in answer["ranked"]:
                    ctr_C[int(ranked["ad_id"])] = ranked["ctr"]

        await asyncio.gather(*(rank_until_done() for _ in range(CONCURRENCY)))
    return ctr_C


def offline_scores(options: argparse.Namespace, rows: int) -> "np.ndarray":
    store = ModelStore(options.store)
    artifact = store.load(options.model, store.active_versions()[options.model])
    samples = read_samples(options.samples / "test.tsv", (), limit_rows=rows)
    return score_samples(artifact, samples)


if __name__ == "__main__":
    main()
