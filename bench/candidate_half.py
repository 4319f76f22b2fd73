"""Attention and AUGRU alone, one core: the fused kernel against torch, eager, in two stages.

Both find the user's states ready and score the candidates; the same without any behavior, which is
the MLP and what surrounds it, is taken off. The floor is counted: multiply-adds at the rate that a
matrix product of torch reaches on this core, times what the model needs.

Example: OMP_NUM_THREADS=1 python -m bench.candidate_half STORE MODEL
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from msgspec.structs import asdict

from app.core.batch import RaggedBatch
from app.inference.choice import choose_runtime
from app.inference.fused.runtime import KeptStates
from app.inference.fused.user_state_cache import UserStateCache
from app.inference.torch_process import prepare_torch
from app.kernels.library import load_kernel
from app.models.ctr_model import BehaviorFeatures, CandidateFeatures
from app.models.dien.config import DienConfig
from app.models.layers.embedding import SideFeatures
from app.monitoring.metrics import Metrics
from app.registry.model_store import Artifact, ModelStore
from app.registry.trained_model import trained_model
from bench.race.per_row_dien import per_row_dien
from bench.race.runtimes import make_entry

ROUNDS, CALLS = 7, 30
USER = ["somebody"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("model")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--behaviors", type=int, default=50)
    options = parser.parse_args()
    prepare_torch(threads=1)
    store = ModelStore(options.store)
    artifact = store.load(options.model, store.active_versions()[options.model])
    shapes = {
        steps: make_entry(
            artifact, per_row_dien(artifact), Path(), (options.candidates, steps)
        ).batch
        for steps in (options.behaviors, 0)
    }
    isas = [isa for isa in ("avx512", "avx2", "generic") if load_kernel().use_isa(isa)]
    calls: dict[str, list[Callable[[], object]]] = {
        "torch, eager": [eager(artifact, batch) for batch in shapes.values()]
    }
    for isa in isas:
        calls[f"fused, {isa}"] = [fused(artifact, batch, isa) for batch in shapes.values()]
    times_ms: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, (whole, without) in calls.items():
            times_ms[name].append(median_ms(whole) - median_ms(without))
    eager_ms = median(times_ms["torch, eager"])
    for name, of_name_ms in times_ms.items():
        ms = median(of_name_ms)
        print(f"{name:16} {ms:7.3f} ms   {ms / eager_ms:5.2f} x eager")
    count = multiply_adds(artifact, options.candidates, options.behaviors)
    rate = multiply_adds_per_s()
    print(
        f"{'floor':16} {count / rate * 1e3:7.3f} ms   {count / 1e6:.0f} M multiply-adds at "
        f"{rate / 1e9:.0f} G/s, without exponentials"
    )


def eager(artifact: Artifact, batch: RaggedBatch) -> Callable[[], object]:
    model = trained_model(artifact)
    tensors = {name: torch.from_numpy(array) for name, array in asdict(batch).items()}
    with torch.inference_mode():
        states = model.encode_users(
            BehaviorFeatures(tensors["behaviors_NF"], tensors["behavior_seconds_N"]),
            tensors["lengths_U"],
            SideFeatures(tensors["user_sparse_US"], tensors["user_dense_UD"]),
        )
    candidates = CandidateFeatures(
        tensors["candidates_CF"],
        SideFeatures(tensors["candidate_sparse_CS"], tensors["candidate_dense_CD"]),
    )

    def score() -> object:
        with torch.inference_mode():
            return model.score(states, candidates, tensors["user_of_C"])

    return score


def fused(artifact: Artifact, batch: RaggedBatch, isa: str) -> Callable[[], object]:
    manifest = artifact.manifest
    kept = KeptStates(UserStateCache(2**26, Metrics()), "1")
    runtime = choose_runtime(
        "fused",
        trained_model(artifact),
        manifest.architecture,
        manifest.features,
        torch.device("cpu"),
        kept,
    )
    work = runtime.prepare(batch, USER)
    work.run()
    work.scores()  # keeps the user's states

    def score() -> object:
        load_kernel().use_isa(isa)
        work = runtime.prepare(batch, USER)
        work.run()
        return work.scores()

    return score


def median_ms(call: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS):
        started_s = time.perf_counter()
        call()
        times.append((time.perf_counter() - started_s) * 1e3)
    return median(times)


def multiply_adds(artifact: Artifact, candidates: int, behaviors: int) -> int:
    """Of attention's net on q * h and of the AUGRU's three gates, per pair."""
    config = artifact.manifest.architecture
    if not isinstance(config, DienConfig):
        raise SystemExit("only DIEN has both")
    hidden = config.hidden_size or artifact.manifest.features.item_embedding_dim
    widths = (hidden, *config.attention_units, 1)
    net = sum(wide * out for wide, out in pairwise(widths))
    return candidates * behaviors * (net + 3 * hidden * hidden)


def multiply_adds_per_s() -> float:
    """What a product of matrices that fit into the second-level cache reaches."""
    a, b = torch.rand(256, 256), torch.rand(256, 256)
    return 256**3 / (median_ms(lambda: a @ b) / 1e3)


if __name__ == "__main__":
    main()
