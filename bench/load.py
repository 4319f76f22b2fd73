"""Sustained load on this machine: wrk with 100 candidates and 50 stored behaviors a request.

Prints requests/s, latency percentiles, the mean batch, where the time goes, memory and start-up.
Requests are drawn from the model's own vocabulary; histories are written to a real Redis.

Example: python -m bench.load --store model_store --model demo --duration-s 30
"""

import argparse
import asyncio
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from app.core.keys import keys_of
from app.core.request import BehaviorSequence
from app.features.embedded_redis import embedded_redis
from app.features.redis_store import RedisStore, connect
from app.registry.model_store import Artifact, ModelStore
from bench.serving import RunningService, running_service

USERS = 500
REQUESTS = 500
STAGES = ("parse", "features", "queue", "encode", "compute", "render")
WARM_UP_S = 5

# wrk calls request() for every request it sends; the bodies are made once, before the clock runs.
WRK_SCRIPT = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local next_body = 0
request = function()
  next_body = next_body %% #bodies + 1
  return wrk.format("POST", "/v1/rank", {["Content-Type"] = "application/json"}, bodies[next_body])
end
local refused = 0
response = function(status) if status ~= 200 then refused = refused + 1 end end
done = function(summary, latency)
  io.write(string.format('{"requests":%%d,"seconds":%%f,"p50_ms":%%f,"p90_ms":%%f,"p99_ms":%%f,' ..
    '"max_ms":%%f,"bad_statuses":%%d,"socket_errors":%%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


def main() -> None:
    options = parse_options()
    if shutil.which("wrk") is None:
        sys.exit("bench.load needs wrk on PATH")
    artifact = load_artifact(options.store, options.model)
    settings = {
        "CTR_MODEL_STORE": str(options.store),
        "CTR_DEFAULT_MODEL": options.model,
        "CTR_LOG_LEVEL": "WARNING",
    }
    with tempfile.TemporaryDirectory() as folder, embedded_redis() as redis_url:
        work = Path(folder)
        asyncio.run(write_histories(redis_url, artifact, options.behaviors))
        script = write_script(work, artifact, options.candidates)
        with running_service(redis_url, settings, log=work / "service.log") as service:
            idle_mib, _ = service.resident_mib()
            run_wrk(service.url, script, options.connections, WARM_UP_S)
            before = counters(service)
            result = run_wrk(service.url, script, options.connections, options.duration_s)
            result |= since(before, counters(service))
            loaded_mib, peak_mib = service.resident_mib()
            result |= {
                "startup_s": service.startup_s,
                "rss_idle_mib": idle_mib,
                "rss_loaded_mib": loaded_mib,
                "rss_peak_mib": peak_mib,
            }
    report(result, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--behaviors", type=int, default=50)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--duration-s", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def load_artifact(root: Path, name: str) -> Artifact:
    store = ModelStore(root)
    return store.load(name, store.active_versions()[name])


def known_ids(artifact: Artifact, field: str) -> list[str]:
    vocabulary = artifact.vocabularies[field]
    return [raw_id for key in vocabulary.keys_V if (raw_id := vocabulary.raw_id(int(key)))]


async def write_histories(redis_url: str, artifact: Artifact, behaviors: int) -> None:
    rng = np.random.default_rng(7)
    items, categories = (keys_of(known_ids(artifact, f)) for f in ("item_id", "category_id"))
    store = RedisStore(connect(redis_url, timeout_s=10), max_stored_behaviors=behaviors)
    await store.replace(
        {
            f"user-{user}": BehaviorSequence(
                np.stack([rng.choice(items, behaviors), rng.choice(categories, behaviors)], axis=1),
                np.arange(behaviors, dtype=np.uint32),
            )
            for user in range(USERS)
        }
    )
    await store.close()


def write_script(work: Path, artifact: Artifact, candidates: int) -> Path:
    rng = random.Random(7)  # noqa: S311 - not for secrets
    items, categories = known_ids(artifact, "item_id"), known_ids(artifact, "category_id")
    bodies = work / "bodies.jsonl"
    with bodies.open("w") as file:
        for _ in range(REQUESTS):
            ads = [
                {
                    "ad_id": f"ad-{index}",
                    "item_id": rng.choice(items),
                    "category_id": rng.choice(categories),
                    "bid": round(rng.uniform(0.1, 2.0), 2),
                }
                for index in range(candidates)
            ]
            body = {"user_id": f"user-{rng.randrange(USERS)}", "candidates": ads}
            file.write(json.dumps(body, separators=(",", ":")) + "\n")
    script = work / "rank.lua"
    script.write_text(WRK_SCRIPT % bodies)
    return script


def run_wrk(url: str, script: Path, connections: int, seconds: int) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = re.search(r"^\{.*\}$", output, re.MULTILINE)
    if line is None:
        sys.exit(f"wrk printed no result:\n{output}")
    result: dict[str, float] = json.loads(line[0])
    return {"requests_per_s": result["requests"] / result["seconds"], **result}


def counters(service: RunningService) -> dict[str, float]:
    names = ["ctr_batch_jobs_sum", "ctr_batch_jobs_count", "ctr_degraded_total"]
    return {name: service.metric(name) for name in names} | {
        stage: service.metric(f'ctr_stage_duration_seconds_sum{{stage="{stage}"}}')
        for stage in STAGES
    }


def since(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    change = {name: after[name] - before[name] for name in after}
    jobs = change["ctr_batch_jobs_sum"]
    stages = {f"{stage}_ms": change[stage] / jobs * 1e3 for stage in STAGES}
    return {
        "mean_batch_jobs": jobs / change["ctr_batch_jobs_count"],
        "degraded": change["ctr_degraded_total"],
        **stages,
    }


def report(result: dict[str, float], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"{options.candidates} candidates x {options.behaviors} behaviors, "
        f"{options.connections} connections, {options.duration_s} s"
    )
    for name, value in result.items():
        print(f"  {name:18} {value:12.2f}")


if __name__ == "__main__":
    main()
