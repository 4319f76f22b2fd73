"""Loads a version as a service does and tells, as JSON, how long that took and what is resident.

python -m bench.large_table_process FOLDER RUNTIME
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from app.core.keys import keys_of
from app.core.request import BehaviorSequence, Candidates, UserContext
from app.features.encoder import Job
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
    forget_files(artifact.folder)
    requests = [_request(version, seed) for seed in range(REQUESTS)]
    encode_ms, score_ms = zip(*(_timed_ms(version, request) for request in requests), strict=True)
    told["resident_after_mib"] = resident("VmRSS")
    told |= {"longest_encode_ms": max(encode_ms), "longest_score_ms": max(score_ms)}
    again_ms = [_timed_ms(version, request) for request in requests]
    told["median_encode_ms"], told["median_score_ms"] = np.median(again_ms, axis=0).tolist()
    print(json.dumps(told))


def forget_files(folder: Path) -> None:
    """Takes them out of the page cache, as far as nobody has looked at them, as if never read."""
    for path in folder.rglob("*.safetensors"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(of: str) -> float:
    """MiB of this process, as Linux counts them."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{of}:"))
    return int(line.split()[1]) / 1024


def _request(version: LoadedVersion, seed: int) -> Job:
    """For items all over the table."""
    rng = np.random.default_rng(seed)
    items = len(version.encoder.vocabularies["item_id"].keys_V)
    keys = keys_of(f"{number:09d}" for number in rng.integers(0, items, 2 * BEHAVIORS))
    behaviors = BehaviorSequence(keys.reshape(BEHAVIORS, 2), np.arange(BEHAVIORS, dtype=np.uint32))
    ids = [f"{number:09d}" for number in rng.integers(0, items, CANDIDATES)]
    ads = Candidates(ids, [None] * CANDIDATES, {"item_id": ids, "category_id": ids})
    return UserContext("user", behaviors), ads


def _timed_ms(version: LoadedVersion, request: Job) -> tuple[float, float]:
    """On the event loop and on an engine thread, in a service."""
    started_s = time.perf_counter()
    prepared = version.prepare([request])
    prepared_s = time.perf_counter()
    prepared.work.run()
    prepared.results()
    return 1e3 * (prepared_s - started_s), 1e3 * (time.perf_counter() - prepared_s)


if __name__ == "__main__":
    main()
