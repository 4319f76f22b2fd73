"""Small untrained versions in a real model store, for everything that needs something to serve."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from app.core.calibration import UNCALIBRATED, Calibration
from app.core.request import BEHAVIOR_FIELDS
from app.core.schema import (
    FIRST_ID_ROW,
    DenseSideField,
    FeatureSchema,
    SideField,
    SparseField,
    SparseSideField,
)
from app.features.encoder import Encoder
from app.features.vocabulary import Vocabulary
from app.inference.engine import Engine
from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.models.ensemble.config import SingleArchitecture
from app.models.factory import Architecture, build_model
from app.registry.activation import activate
from app.registry.golden import GoldenRequest, with_scores
from app.registry.manifest import LadderRung, Manifest
from app.registry.model_store import ModelStore
from app.registry.priors import SmoothedRates
from app.registry.publishing import NewVersion, publish

ITEMS = [f"item-{number}" for number in range(50)]
CATEGORIES = [f"category-{number}" for number in range(5)]
DEVICES = ["phone", "desktop"]
SIDE_FIELDS: tuple[SideField, ...] = (
    SparseSideField(name="device", embedding_dim=3, rows=4, source="context"),
    DenseSideField(name="age", source="profile", mean=40.0, std=10.0),
    DenseSideField(name="price", source="candidate", mean=5.0, std=2.0),
)
GOLDEN = (
    GoldenRequest(
        user_id="user-1",
        behaviors=(
            ("item-1", "category-1", 10),
            ("item-2", "category-2", 20),
            ("item-5", "category-0", 4_000),  # another session
        ),
        profile={"age": 31},
        context={"device": "phone"},
        candidates={
            "item_id": ("item-3", "item-4", "never seen"),
            "category_id": ("category-3", "category-4", "category-0"),
            "price": (4.5, 6.0, None),
        },
    ),
    GoldenRequest(
        user_id="cold",
        behaviors=(),
        candidates={"item_id": ("item-3",), "category_id": ("category-3",)},
    ),
)

SMALL = {"attention_units": (6,), "mlp_units": (8,), "embedding_init_std": 1.0}
TINY_DIEN = DienConfig(hidden_size=8, **SMALL)
TINY_ARCHITECTURES: Mapping[str, SingleArchitecture] = {
    "dien": TINY_DIEN,
    "din": DinConfig(**SMALL, attention_softmax=False),
    "dsin": DsinConfig(session_heads=2, hidden_size=4, **SMALL),
}


def _rates(own: Sequence[float], parent_share: float) -> SmoothedRates:
    special = [0.0] * FIRST_ID_ROW, [1.0] * FIRST_ID_ROW
    shares = np.array([*special[1], *[parent_share] * len(own)], np.float32)
    return SmoothedRates(np.array([*special[0], *own], np.float32), shares)


# Every item of its own CTR, which is a little that of its category.
TINY_RATES = (
    _rates([number / 100 for number in range(len(ITEMS))], parent_share=0.25),
    _rates([number / 10 for number in range(len(CATEGORIES))], parent_share=0.5),
)


def publish_tiny_version(  # noqa: PLR0913 - every part of a version can be varied
    root: Path,
    name: str = "tiny",
    *,
    seed: int = 0,
    side_fields: tuple[SideField, ...] = SIDE_FIELDS,
    max_behaviors: int = 10,
    calibration: Calibration = UNCALIBRATED,
    behavior_fields: tuple[str, ...] = BEHAVIOR_FIELDS,
    architecture: Architecture = TINY_DIEN,
    rates: Sequence[SmoothedRates] = (),
    ladder: Sequence[LadderRung] = (),
    users: Sequence[str] = (),
) -> Manifest:
    """Publishes and activates a version whose weights depend on the seed alone."""
    vocabularies = {
        "item_id": Vocabulary.of(ITEMS),
        "category_id": Vocabulary.of(CATEGORIES),
        "device": Vocabulary.of(DEVICES),
        **({"user_id": Vocabulary.of(users)} if users else {}),
    }
    user_id = (
        SparseField(name="user_id", embedding_dim=4, rows=vocabularies["user_id"].rows)
        if users
        else None
    )
    schema = FeatureSchema(
        user_id=user_id,
        behavior_fields=tuple(
            SparseField(name=name, embedding_dim=4, rows=vocabularies[name].rows)
            for name in behavior_fields
        ),
        side_fields=side_fields,
        max_behaviors=max_behaviors,
    )
    torch.manual_seed(seed)
    model = build_model(architecture, schema).eval()
    engine = Engine(model, torch.device("cpu"))
    store = ModelStore(root)
    manifest = publish(
        store,
        NewVersion(
            name=name,
            architecture=architecture,
            features=schema,
            weights=model.state_dict(),
            vocabularies=vocabularies,
            golden=with_scores(GOLDEN, Encoder(schema, vocabularies), engine.score, calibration),
            prior_ctr=0.1,
            calibration=calibration,
            prior_rates=rates,
            ladder=ladder,
        ),
    )
    activate(store, name, manifest.version)
    return manifest


def publish_tiny_versions(root: Path, count: int) -> Path:
    """Versions 1 to `count` of "tiny", each with scores of its own; the first is active."""
    for seed in range(count):
        publish_tiny_version(root, seed=seed)
    return with_the_first_active(root)


def with_the_first_active(root: Path) -> Path:
    """Version 1 of "tiny" is active, as if no other ever was."""
    (root / "tiny" / "ACTIVE").write_text("1\n")
    (root / "tiny" / "HISTORY").unlink()
    return root
