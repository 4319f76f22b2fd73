"""Loads a version as a service does and tells, as JSON, how long that took and what is resident.

python -m bench.large_table_process FOLDER RUNTIME
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from app.core.request import BehaviorSequence, Candidates, UserContext
from app.inference.torch_process import prepare_torch
from app.registry.loaded_version import LoadedVersion, load_version
from app.registry.model_store import ModelStore
from app.registry.version_reference import resolve

REQUESTS, BEHAVIORS, CANDIDATES = 200, 50, 100


def main() -> None:
    root, runtime = sys.argv[1:]
    prepare_torch(threads=1)
    started_s = time.perf_counter()
    store = ModelStore(Path(root))
    artifact = store.load(*resolve(store, "large"))
    version = load_version(artifact, torch.device("cpu"), runtime)  # type: ignore[arg-type]
    told = {"ready_s": time.perf_counter() - started_s, "runtime": version.runtime.name}
    told |= {"resident_mib": resident("VmRSS"), "anonymous_mib": resident("RssAnon")}
    seconds = [_score(version, seed) for seed in range(REQUESTS)]
    told["resident_after_mib"] = resident("VmRSS")
    told["median_ms"] = 1e3 * float(np.median(seconds))
    print(json.dumps(told))


def resident(of: str) -> float:
    """MiB of this process, as Linux counts them."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{of}:"))
    return int(line.split()[1]) / 1024


def _score(version: LoadedVersion, seed: int) -> float:
    """Seconds of one request for items all over the table."""
    rng = np.random.default_rng(seed)
    vocabulary = version.encoder.vocabularies["item_id"]
    keys = vocabulary.keys_V[rng.integers(0, len(vocabulary.keys_V), (BEHAVIORS, 2))]
    user = UserContext("user", BehaviorSequence(keys, np.arange(BEHAVIORS, dtype=np.uint32)))
    items = [f"{number:09d}" for number in rng.integers(0, len(vocabulary.keys_V), CANDIDATES)]
    ads = Candidates(items, [None] * CANDIDATES, {"item_id": items, "category_id": items})
    started_s = time.perf_counter()
    version.score([(user, ads)])
    return time.perf_counter() - started_s


if __name__ == "__main__":
    main()
