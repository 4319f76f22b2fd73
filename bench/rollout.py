"""How long a bad version lives: canaries of a service under load, and what the gate makes of them.

The active version is tried against itself, against itself with logits 0.5 higher, and against
itself with the rows of its embedding tables shuffled. Then 1,000 recorded requests are replayed.

Example: python -m bench.rollout --percent 10 --requests-per-s 150
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import torch

from app.core.calibration import Calibration, Isotonic, Platt
from app.features.embedded_redis import embedded_redis
from app.features.encoder import Encoder
from app.registry.activation import activate
from app.registry.manifest import Manifest
from app.registry.model_store import Artifact, ModelStore
from app.registry.publication import golden_of
from app.registry.publishing import NewVersion, publish
from app.registry.trained_model import trained_model
from bench.serving import RunningService, running_service
from bench.traffic import Traffic

NAME = "demo"
KEY = "the key of a bench"
CONNECTIONS = 4
GIVE_UP_S = 120.0
LOOK_EVERY_S = 0.05
REPLAYED = 1000
CHALLENGERS = ("equal", "logit + 0.5", "shuffled embeddings")


@dataclass(frozen=True)
class Outcome:
    """What became of one rollout."""

    challenger: str
    mode: str
    percent: float
    event: str
    reason: str
    seconds: float  # from its start to the decision
    requests: int  # that both sides answered meanwhile
    answered_by_challenger: int
    compared: int


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(run(options, Path(folder)))
    if options.json:
        print(json.dumps(result))
        return
    for outcome in result["rollouts"]:
        print(
            f"{outcome['challenger']:20} {outcome['mode']:6} {outcome['percent']:4g} %  "
            f"{outcome['event']:11} after {outcome['seconds']:5.1f} s, "
            f"{outcome['answered_by_challenger']:5} of {outcome['requests']:6} requests answered "
            f"by it, {outcome['compared']} compared: {outcome['reason']}"
        )
    print(result["replay"])


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"), help="with a demo model")
    parser.add_argument("--percent", type=float, nargs="+", default=[10.0])
    parser.add_argument("--mode", choices=("canary", "shadow"), default="canary")
    parser.add_argument("--requests-per-s", type=float, default=150.0)
    parser.add_argument("--min-requests", type=int, default=300, help="before one is promoted")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    store = folder / "store"
    versions = publish_challengers(ModelStore(options.store), ModelStore(store))
    recorded = folder / "recorded"
    settings = {
        "CTR_MODEL_STORE": str(store),
        "CTR_ADMIN_KEY": KEY,
        "CTR_RECORD_SHARE": "1",
        "CTR_RECORD_FOLDER": str(recorded),
        "CTR_ROLLOUT_MIN_S": "0",
        "CTR_ROLLOUT_MIN_REQUESTS": str(options.min_requests),
        "CTR_LOG_LEVEL": "WARNING",
    }
    traffic = Traffic(store, NAME, seed=1)
    outcomes = []
    with (
        embedded_redis() as redis_url,
        running_service(redis_url, settings, log=folder / "log") as service,
    ):
        await traffic.write_histories(redis_url)
        async with load(service, traffic.requests(), options.requests_per_s):
            await asyncio.sleep(2)
            # The equal one last: it becomes the active version.
            for challenger in reversed(CHALLENGERS):
                for percent in options.percent:
                    journal = store / NAME / "rollouts.jsonl"
                    plan = {
                        "version": versions[challenger],
                        "mode": options.mode,
                        "percent": percent,
                    }
                    end = await roll_out(service, journal, plan)
                    outcomes.append(asdict(outcome_of(challenger, end)))
                    if end["event"] == "promoted":
                        break
    return {"rollouts": outcomes, "replay": replay(recorded, store)}


def publish_challengers(source: ModelStore, store: ModelStore) -> dict[str, str]:
    """The versions by what is wrong with them; the first one published is active."""
    artifact = source.load(NAME, source.active_versions()[NAME])
    active = again(store, artifact)
    activate(store, NAME, active.version)
    bolder = raised(artifact.manifest.calibration)
    return {
        "equal": again(store, artifact).version,
        "logit + 0.5": again(store, artifact, calibration=bolder).version,
        "shuffled embeddings": again(store, artifact, weights=shuffled(artifact)).version,
    }


def again(
    store: ModelStore,
    artifact: Artifact,
    *,
    weights: Mapping[str, torch.Tensor] | None = None,
    calibration: Calibration | None = None,
) -> Manifest:
    """The same version with some of its parts changed, and golden scores of its own."""
    manifest = artifact.manifest
    changed = replace(artifact, weights=weights or artifact.weights)
    served = calibration or manifest.calibration
    encoder = Encoder(manifest.features, artifact.vocabularies)
    return publish(
        store,
        NewVersion(
            name=NAME,
            architecture=manifest.architecture,
            features=manifest.features,
            weights=changed.weights,
            vocabularies=artifact.vocabularies,
            golden=golden_of(trained_model(changed), encoder, served, artifact.golden.requests),
            prior_ctr=manifest.prior_ctr,
            calibration=served,
        ),
    )


def shuffled(artifact: Artifact) -> dict[str, torch.Tensor]:
    """Every item and category has the embedding of another one."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: weight[torch.randperm(len(weight), generator=generator)].contiguous()
        if name.startswith("embedding.tables.")
        else weight
        for name, weight in artifact.weights.items()
    }


def raised(calibration: Calibration) -> Calibration:
    """Half a logit higher."""
    if isinstance(calibration, Isotonic):
        knots = tuple((logit, value + 0.5) for logit, value in calibration.knots)
        return calibration.model_copy(update={"knots": knots})
    slope, offset = (
        (calibration.slope, calibration.offset) if isinstance(calibration, Platt) else (1.0, 0.0)
    )
    return Platt(negatives_kept=calibration.negatives_kept, slope=slope, offset=offset + 0.5)


@asynccontextmanager
async def load(
    service: RunningService, requests: Iterator[bytes], requests_per_s: float
) -> AsyncIterator[None]:
    port = int(service.url.rsplit(":", 1)[1])
    clients = [
        asyncio.create_task(ask(port, requests, CONNECTIONS / requests_per_s))
        for _ in range(CONNECTIONS)
    ]
    try:
        yield
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


async def ask(
    port: int, requests: Iterator[bytes], every_s: float, latencies_s: list[float] | None = None
) -> None:
    """One request after the other on one connection, at a steady pace."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due_s = time.perf_counter()
    try:
        for request in requests:
            asked_s = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            if latencies_s is not None:
                latencies_s.append(time.perf_counter() - asked_s)
            due_s = max(due_s + every_s, time.perf_counter() - every_s)
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
    finally:
        writer.close()


async def roll_out(service: RunningService, journal: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """The last record of its journal."""
    url = f"{service.url}/v1/models/{NAME}/rollout"
    before = len(lines_of(journal))
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.put(url, json=plan, headers={"X-Admin-Key": KEY})
        answer.raise_for_status()
        give_up_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up_s:
            lines = lines_of(journal)
            if len(lines) >= before + 2:
                line: dict[str, Any] = json.loads(lines[-1])
                return line
            await asyncio.sleep(LOOK_EVERY_S)
        shown = (await client.get(f"{service.url}/v1/models/{NAME}")).json()
    raise SystemExit(f"nothing was decided: {shown['rollout']}")


def lines_of(journal: Path) -> list[str]:
    return journal.read_text().splitlines() if journal.exists() else []


def outcome_of(challenger: str, end: dict[str, Any]) -> Outcome:
    sides = {side: sum(counts.values()) for side, counts in end["requests"].items()}
    answered = sides["challenger"] if end["mode"] == "canary" else 0
    return Outcome(
        challenger,
        end["mode"],
        end["percent"],
        end["event"],
        end["reason"],
        end["seconds"],
        sides["active"] + answered,
        answered,
        end["compared"],
    )


def replay(recorded: Path, store: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "app", "replay", str(recorded), "--json"]
    finished = subprocess.run(
        [*command, "--limit", str(REPLAYED)],
        env={**os.environ, "CTR_MODEL_STORE": str(store)},
        capture_output=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


if __name__ == "__main__":
    main()
