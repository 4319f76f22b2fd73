"""Imported versions equal loops that are written by the libraries' definitions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from app.core.calibration import UNCALIBRATED
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.registry.golden import GoldenRequest, GoldenRequests, verify
from app.registry.model_store import Artifact, ModelStore
from app.registry.trained_model import trained_model
from tests.importers import naive_libraries as naive
from tests.importers.checkpoints import (
    CATEGORIES,
    ITEMS,
    MAX_LENGTH,
    USERS,
    deepctr_din,
    fuxictr_dien,
)

Pairs = Sequence[tuple[int, int]]

RANDOM = np.random.default_rng(3)
HISTORIES: list[Pairs] = [
    [(int(RANDOM.integers(1, ITEMS)), int(RANDOM.integers(1, CATEGORIES))) for _ in range(length)]
    for length in (0, 1, 2, MAX_LENGTH)
]


def draw_targets() -> Pairs:
    return [(int(RANDOM.integers(ITEMS)), int(RANDOM.integers(CATEGORIES))) for _ in range(3)]


def request_of(user: int, targets: Pairs, history: Pairs, **numbers: float) -> GoldenRequest:
    """With ids as an import without a vocabulary names them."""
    return GoldenRequest(
        user_id=str(user),
        behaviors=tuple(
            (str(item), str(category), at) for at, (item, category) in enumerate(history)
        ),
        candidates={
            "item_id": tuple(str(item) for item, _ in targets),
            "category_id": tuple(str(category) for _, category in targets),
            **{name: (number,) * len(targets) for name, number in numbers.items()},
        },
    )


def load(tmp_path: Path) -> Artifact:
    return ModelStore(tmp_path / "store").load("model", "1")


def check(artifact: Artifact, expected: Sequence[tuple[GoldenRequest, Sequence[float]]]) -> None:
    """Golden requests are compared to 1e-5."""
    golden = tuple(one.model_copy(update={"ctr": tuple(ctrs)}) for one, ctrs in expected)
    encoder = Encoder(artifact.manifest.features, artifact.vocabularies)
    engine = Engine(trained_model(artifact), torch.device("cpu"))
    verify(GoldenRequests(requests=golden), encoder, engine.score, UNCALIBRATED)


def test_a_din_of_deepctr_torch_equals_loops(tmp_path: Path) -> None:
    checkpoint = deepctr_din()
    weights = naive.in_double(checkpoint.tensors)
    expected = []
    for user, history in zip(range(USERS), HISTORIES, strict=False):
        targets = draw_targets()
        request = request_of(user, targets, history, score_0=0.3, score_1=-1.2)
        score = np.array([0.3, -1.2])
        ctrs = [naive.deepctr_din(weights, user, target, history, score) for target in targets]
        expected.append((request, ctrs))

    checkpoint.imported(tmp_path)

    check(load(tmp_path), expected)


@pytest.mark.parametrize("pairs", [((0, 1),), ((0,), (1,))], ids=["one-pair", "two-pairs"])
def test_a_dien_of_fuxictr_equals_loops(tmp_path: Path, pairs: Sequence[Sequence[int]]) -> None:
    checkpoint = fuxictr_dien(pairs=len(pairs))
    weights = naive.in_double(checkpoint.tensors)
    expected = []
    for user, history in zip(range(USERS), HISTORIES, strict=False):
        targets = draw_targets()
        request = request_of(user, targets, history, price=0.7)
        ctrs = [
            naive.fuxictr_dien(weights, user, target, history, 0.7, pairs=pairs)
            for target in targets
        ]
        expected.append((request, ctrs))

    checkpoint.imported(tmp_path)

    check(load(tmp_path), expected)
