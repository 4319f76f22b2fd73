"""Which part of a model is worth what: trains every variant on the same samples, seed by seed.

Each finished run is a line of RESULTS, so that a stopped ablation goes on where it was; the table
is written from these lines. Variants share everything that they do not name themselves.

    python -m bench.ablation samples results.jsonl --seeds 7 8 9 --jobs 2
    python -m bench.ablation samples results.jsonl --only dien din -- --max-behaviors 50 --epochs 20

Options after `--` go to every `ctr-serve train`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

WITHOUT_AUXILIARY = ("--auxiliary-weight", "0")
WITH_AUXILIARY = ("--auxiliary-share", "0.25")  # in half the time; the loss is of all on average
VARIANTS: Mapping[str, tuple[str, Sequence[str]]] = {
    "din": ("DIN", ("--architecture", "din")),
    "din-intensities": (
        "DIN, attention without softmax",
        ("--architecture", "din", "--no-attention-softmax"),
    ),
    "gru": ("GRU + attention", ("--evolution", "gru", *WITHOUT_AUXILIARY)),
    "aigru": ("AIGRU", ("--evolution", "aigru", *WITHOUT_AUXILIARY)),
    "agru": ("AGRU", ("--evolution", "agru", *WITHOUT_AUXILIARY)),
    "augru": ("AUGRU, paper", WITHOUT_AUXILIARY),
    "augru-official": ("AUGRU, official", ("--augru", "official", *WITHOUT_AUXILIARY)),
    "dien": ("DIEN: AUGRU, paper + auxiliary loss", WITH_AUXILIARY),
    "dien-official": (
        "DIEN: AUGRU, official + auxiliary loss",
        ("--augru", "official", *WITH_AUXILIARY),
    ),
    "dien-bilinear": ("DIEN, bilinear attention", ("--attention", "bilinear", *WITH_AUXILIARY)),
    "dien-dot": ("DIEN, dot attention", ("--attention", "dot", *WITH_AUXILIARY)),
    "dien-multi-head": (
        "DIEN, multi-head attention",
        ("--attention", "multi_head", *WITH_AUXILIARY),
    ),
    "dien-self-attention": (
        "DIEN, self-attention over interests",
        ("--self-attention-heads", "4", *WITH_AUXILIARY),
    ),
    "dien-positions": ("DIEN, position-aware attention", ("--position-aware", *WITH_AUXILIARY)),
    "dsin": ("DSIN", ("--architecture", "dsin")),
}

COLUMNS = (
    *("variant", "seeds", "test AUC", "lowest to highest", "valid AUC", "test GAUC"),
    *("test logloss", "epochs", "training, s", "weights MB"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One trained and published version."""

    variant: str
    seed: int
    options: tuple[str, ...]  # shared by all variants
    valid_auc: float
    test_auc: float
    test_gauc: float
    test_logloss: float
    epochs: int
    seconds_per_epoch: float
    weights_bytes: int


def train(samples: Path, store: Path, variant: str, seed: int, options: Sequence[str]) -> Result:
    """In a process of its own."""
    command = [
        *(sys.executable, "-m", "app", "train", "--json", "--samples", str(samples)),
        *("--store", str(store), "--no-activate", "--name", variant, "--seed", str(seed)),
        *(*VARIANTS[variant][1], *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{variant}, seed {seed}: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    weights = store / variant / answer["version"] / "weights.safetensors"
    test = answer["metrics"]["test"]
    return Result(
        variant=variant,
        seed=seed,
        options=tuple(options),
        valid_auc=answer["metrics"]["valid"]["auc"],
        test_auc=test["auc"],
        test_gauc=test["gauc"],
        test_logloss=test["logloss"],
        epochs=len(answer["epochs"]),
        seconds_per_epoch=answer["seconds_per_epoch"],
        weights_bytes=weights.stat().st_size,
    )


def read(path: Path, options: Sequence[str]) -> list[Result]:
    """The finished runs with these options."""
    lines = path.read_text().splitlines() if path.exists() else []
    results = [Result(**json.loads(line)) for line in lines]
    return [result for result in results if list(result.options) == list(options)]


def table(results: Sequence[Result]) -> Iterator[str]:
    """Markdown: means over seeds, with the lowest and highest AUC and the fastest training."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" + "|--:" * (len(COLUMNS) - 1) + "|"
    for variant, (title, _) in VARIANTS.items():
        own = [result for result in results if result.variant == variant]
        if own:
            yield _row(title, own)


def _row(title: str, own: Sequence[Result]) -> str:
    def mean(name: str) -> float:
        return statistics.fmean(getattr(result, name) for result in own)

    aucs = [result.test_auc for result in own]
    # Others on the machine only ever make a run slower.
    fastest_s = min(result.seconds_per_epoch * result.epochs for result in own)
    return (
        f"| {title} | {len(own)} | {mean('test_auc'):.4f} | {min(aucs):.4f} to {max(aucs):.4f} "
        f"| {mean('valid_auc'):.4f} | {mean('test_gauc'):.4f} | {mean('test_logloss'):.4f} "
        f"| {mean('epochs'):.1f} | {fastest_s:.0f} "
        f"| {mean('weights_bytes') / 1e6:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("samples", type=Path)
    parser.add_argument("results", type=Path, help="JSON lines; read first, then added to")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--store", type=Path, help="keep the versions here, named by variant")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, a core each")
    own = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    given, options = parser.parse_args(own), sys.argv[len(own) + 2 :]
    done = {(result.variant, result.seed) for result in read(given.results, options)}
    lock = threading.Lock()

    def run(todo: tuple[int, str]) -> None:
        seed, variant = todo
        result = train(given.samples, store, variant, seed, options)
        with lock, given.results.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
            print(f"{variant}, seed {seed}: test AUC {result.test_auc:.4f}", file=sys.stderr)

    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(given.jobs) as pool:
        store = given.store or Path(scratch)
        todo = [
            (seed, variant)
            for seed, variant in product(given.seeds, given.only)
            if (variant, seed) not in done
        ]
        list(pool.map(run, todo))
    print("\n".join(table(read(given.results, options))))


if __name__ == "__main__":
    main()
