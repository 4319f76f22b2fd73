"""A version with a table of many million items, published, exported and served from disk.

    python -m bench.large_table FOLDER [--items 50000000] [--width 18]

The table is written a part at a time; of the vocabulary only the keys are sorted in memory. Prints,
as Markdown, what a service takes to start, how much of it is resident, and how long a request takes
at most when the page cache has lost the files: on the event loop and on an engine thread.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash

from app.core.calibration import UNCALIBRATED
from app.core.schema import FIRST_ID_ROW, FeatureSchema, SparseField
from app.core.tensor_file import PART_NUMBERS
from app.core.tensor_writer import write_tensors
from app.features.encoder import Encoder
from app.features.vocabulary import Vocabulary
from app.inference.engine import Engine
from app.models.dien.config import DienConfig
from app.models.factory import build_model
from app.models.without_weights import without_weights
from app.registry.golden import GoldenRequest, with_scores
from app.registry.manifest import Manifest
from app.registry.model_store import GOLDEN, MANIFEST, WEIGHTS, vocabulary_file

ARCHITECTURE = DienConfig()
CATEGORIES = 1_000
ITEM_TABLE = "embedding.tables.item_id.weight"
ID_BYTES = 9


def main() -> None:
    options = _options()
    folder = options.folder / "large" / "1"
    started_s = time.perf_counter()
    if not folder.exists():
        write_version(folder, options.items, options.width)
        print(f"written in {time.perf_counter() - started_s:.0f} s", file=sys.stderr)
    _run("-m", "app", "export", "large@1", "--runtime", "int8", f"--store={options.folder}")
    print(
        f"{options.items:,} items x {options.width}, {_gib(folder / WEIGHTS)} of weights, ", end=""
    )
    print(f"{_gib(folder / 'vocabulary' / 'item_id.safetensors')} of vocabulary\n")
    print(
        "| runtime | ready after s | resident MiB | of these anonymous | after requests | "
        "longest encode ms | longest score ms |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for runtime in ("fused", "int8"):
        _read_into_page_cache(folder)
        told = json.loads(_run("-m", "bench.large_table_process", str(options.folder), runtime))
        print(
            f"| {runtime} | {told['ready_s']:.1f} | {told['resident_mib']:.0f} | "
            f"{told['anonymous_mib']:.0f} | {told['resident_after_mib']:.0f} | "
            f"{told['longest_encode_ms']:.2f} | {told['longest_score_ms']:.1f} |"
        )


def write_version(folder: Path, items: int, width: int) -> None:
    """As `publish` does, but for the size of it."""
    (folder / "vocabulary").mkdir(parents=True)
    schema = FeatureSchema(
        behavior_fields=(
            SparseField(name="item_id", embedding_dim=width, rows=items + FIRST_ID_ROW),
            SparseField(name="category_id", embedding_dim=18, rows=CATEGORIES + FIRST_ID_ROW),
        )
    )
    files = {field.name: vocabulary_file(field) for field in schema.behavior_fields}
    _write_items(folder / files["item_id"], items)
    categories = Vocabulary.of(f"category-{number}" for number in range(CATEGORIES))
    (folder / files["category_id"]).write_bytes(categories.to_bytes())
    _write_weights(folder / WEIGHTS, schema)
    golden = _golden(folder, schema, files)
    (folder / GOLDEN).write_text(golden)
    entries = {name: _entry(folder / name) for name in (WEIGHTS, GOLDEN, *files.values())}
    manifest = Manifest.model_validate(
        {
            "name": "large",
            "version": "1",
            "created_at": "2026-01-01T00:00:00+00:00",
            "torch_version": torch.__version__,
            "architecture": ARCHITECTURE.model_dump(),
            "features": schema.model_dump(),
            "files": entries,
            "golden_sha256": entries[GOLDEN]["sha256"],
            "prior_ctr": 0.1,
        }
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    (folder.parent / "ACTIVE").write_text("1\n")


def _write_items(path: Path, items: int) -> None:
    """Ids of nine digits in the order of their keys, which are all that has to be sorted."""
    digest = xxhash.xxh3_64_intdigest
    keys = np.fromiter((digest(b"%09d" % number) for number in range(items)), np.uint64, items)
    order = np.argsort(keys).astype(np.int64)
    keys.sort()
    powers = 10 ** np.arange(ID_BYTES - 1, -1, -1)

    def parts_of(name: str) -> Iterator[np.ndarray]:
        for start in range(0, items, PART_NUMBERS):
            stop = min(start + PART_NUMBERS, items)
            if name == "keys":
                yield keys[start:stop]
            elif name == "id_ends":
                yield np.arange(start + 1, stop + 1) * ID_BYTES
            else:
                digits = order[start:stop, None] // powers % 10
                yield (digits + ord("0")).astype(np.uint8).reshape(-1)

    layout = {
        "keys": ("U64", (items,)),
        "id_ends": ("I64", (items,)),
        "id_bytes": ("U8", (items * ID_BYTES,)),
    }
    write_tensors(path, layout, parts_of)


def _write_weights(path: Path, schema: FeatureSchema) -> None:
    torch.manual_seed(0)
    small = schema.model_copy(
        update={
            "behavior_fields": (
                schema.behavior_fields[0].model_copy(update={"rows": FIRST_ID_ROW}),
                schema.behavior_fields[1],
            )
        }
    )
    state = build_model(ARCHITECTURE, small).state_dict()
    rows, width = schema.behavior_fields[0].rows, schema.behavior_fields[0].embedding_dim
    names = {torch.float32: "F32", torch.int64: "I64"}
    layout = {name: (names[value.dtype], tuple(value.shape)) for name, value in state.items()}
    layout[ITEM_TABLE] = ("F32", (rows, width))
    generator = np.random.default_rng(0)

    def parts_of(name: str) -> Iterator[np.ndarray]:
        if name != ITEM_TABLE:
            yield state[name].numpy()
            return
        for start in range(0, rows * width, PART_NUMBERS):
            numbers = min(PART_NUMBERS, rows * width - start)
            part = generator.standard_normal(numbers, np.float32) * np.float32(0.05)
            if start == 0:
                part[:width] = 0.0
            yield part

    write_tensors(path, layout, parts_of)


def _golden(folder: Path, schema: FeatureSchema, files: dict[str, str]) -> str:
    from safetensors.torch import load_file  # noqa: PLC0415 - maps

    with without_weights():
        model = build_model(ARCHITECTURE, schema)
    model.load_state_dict(load_file(folder / WEIGHTS), assign=True)
    model.eval().requires_grad_(requires_grad=False)
    vocabularies = {name: Vocabulary.open(folder / file) for name, file in files.items()}
    request = GoldenRequest(
        user_id="somebody",
        behaviors=tuple((f"{number:09d}", f"category-{number}", number) for number in range(20)),
        candidates={
            "item_id": tuple(f"{number:09d}" for number in range(20, 30)),
            "category_id": tuple(f"category-{number}" for number in range(20, 30)),
        },
    )
    score = Engine(model, torch.device("cpu")).score
    return with_scores(
        [request], Encoder(schema, vocabularies), score, UNCALIBRATED
    ).model_dump_json()


def _entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": sha256, "size": path.stat().st_size}


def _run(*arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    return finished.stdout


def _read_into_page_cache(folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        with path.open("rb") as file:
            while file.read(2**24):
                pass


def _gib(path: Path) -> str:
    return f"{path.stat().st_size / 2**30:.2f} GiB"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=50_000_000)
    parser.add_argument("--width", type=int, default=18)
    return parser.parse_args()


if __name__ == "__main__":
    main()
