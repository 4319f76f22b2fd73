"""A model store with a model's active version, and another version that scores otherwise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.features.encoder import Encoder
from app.features.vocabulary import Vocabulary
from app.models.factory import build_model
from app.registry.activation import activate
from app.registry.model_store import Artifact, ModelStore
from app.registry.publication import golden_of
from app.registry.publishing import NewVersion, publish

NUDGE = 0.05  # of each weight
ITEM, ITEM_TABLE = "item_id", "embedding.tables.item_id.weight"


def store_with_two_versions(
    source: Path, model: str, root: Path, *, items: int = 0
) -> tuple[str, str]:
    """Versions made of the one that is active in `source`; with so many items more, never asked.

    Returns their numbers; the first one is active.
    """
    made_from = ModelStore(source)
    artifact = made_from.load(model, made_from.active_versions()[model])
    new = grown(artifact, items)
    store = ModelStore(root)
    first, second = (publish(store, one).version for one in (new, nudged(new)))
    activate(store, model, first)
    return first, second


def grown(artifact: Artifact, items: int) -> NewVersion:
    manifest = artifact.manifest
    vocabulary = artifact.vocabularies[ITEM]
    known = [raw_id for key in vocabulary.keys_V if (raw_id := vocabulary.raw_id(int(key)))]
    larger = Vocabulary.of([*known, *(f"more-{number}" for number in range(items))])
    features = manifest.features.model_copy(
        update={
            "behavior_fields": tuple(
                field.model_copy(update={"rows": larger.rows}) if field.name == ITEM else field
                for field in manifest.features.behavior_fields
            )
        }
    )
    # Rows are in the order of keys, so the known ones move apart.
    rows_before = vocabulary.rows_of(np.asarray(vocabulary.keys_V))
    rows_after = larger.rows_of(np.asarray(vocabulary.keys_V))
    table = artifact.weights[ITEM_TABLE]
    spread = table.std()
    table_now = torch.randn(larger.rows, table.shape[1]) * spread
    table_now[:2] = table[:2]
    table_now[rows_after] = table[rows_before]
    new = NewVersion(
        name=manifest.name,
        architecture=manifest.architecture,
        features=features,
        weights={**artifact.weights, ITEM_TABLE: table_now},
        vocabularies={**artifact.vocabularies, ITEM: larger},
        golden=artifact.golden,
        prior_ctr=manifest.prior_ctr,
        calibration=manifest.calibration,
    )
    return with_golden(new)


def nudged(new: NewVersion) -> NewVersion:
    """Every weight a little larger, each by another share: a variance stays one."""
    generator = torch.Generator().manual_seed(7)

    def nudge(weight: Tensor) -> Tensor:
        return weight * (1 + NUDGE * torch.rand(weight.shape, generator=generator))

    weights = {
        name: nudge(weight) if weight.is_floating_point() else weight
        for name, weight in new.weights.items()
    }
    return with_golden(replace(new, weights=weights))


def with_golden(new: NewVersion) -> NewVersion:
    """The scores that these weights give to the golden requests."""
    model = build_model(new.architecture, new.features)
    model.load_state_dict(dict(new.weights))
    encoder = Encoder(new.features, new.vocabularies)
    requests = new.golden.requests
    return replace(new, golden=golden_of(model.eval(), encoder, new.calibration, requests))
