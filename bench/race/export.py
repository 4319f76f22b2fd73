"""Writes what a peer serves from: the scripted model, and which table row each id has."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from app.core.schema import FIRST_ID_ROW
from app.features.vocabulary import Vocabulary
from app.registry.model_store import Artifact
from bench.race.per_row_dien import PerRowDien, per_row_dien

MODEL, IDS, LIMITS = "model.pt", "ids.json", "limits.json"


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """A folder that peers read without any of our code."""

    folder: Path
    eager: PerRowDien


def export(artifact: Artifact, folder: Path) -> ExportedModel:
    """Raises NotExportable for a version that is not the papers' DIEN."""
    folder.mkdir(parents=True, exist_ok=True)
    model = per_row_dien(artifact).requires_grad_(requires_grad=False)
    torch.jit.freeze(torch.jit.script(model)).save(folder / MODEL)
    features = artifact.manifest.features
    vocabularies = {
        field.name: artifact.vocabularies[field.name] for field in features.behavior_fields
    }
    rows = {name: rows_of_ids(vocabulary) for name, vocabulary in vocabularies.items()}
    folder.joinpath(IDS).write_text(json.dumps(rows))
    for name, vocabulary in vocabularies.items():
        np.save(folder / f"keys-{name}.npy", vocabulary.keys_V, allow_pickle=False)
    limits = {"max_behaviors": features.max_behaviors}
    folder.joinpath(LIMITS).write_text(json.dumps(limits))
    return ExportedModel(folder, model)


def rows_of_ids(vocabulary: Vocabulary) -> dict[str, int]:
    """Raw id to table row."""
    return {raw_id: FIRST_ID_ROW + row for row, raw_id in enumerate(raw_ids(vocabulary))}


def raw_ids(vocabulary: Vocabulary) -> list[str]:
    """In the order of their keys."""
    text, starts = vocabulary.id_bytes.tobytes(), [0, *vocabulary.id_ends_V.tolist()]
    return [text[start:end].decode() for start, end in pairwise(starts)]
