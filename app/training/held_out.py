"""Samples of the test split that are kept with a version, to judge its later runtimes by."""

from pathlib import Path

import numpy as np

from app.registry.exports.held_out import HeldOut
from app.registry.model_store import Artifact
from app.training.batches import BatchCutter
from app.training.encoding import EncodedSamples, encode_samples
from app.training.features import Features
from app.training.sample_folder import SampleFolder
from app.training.side_fields import fields_of

KEPT_CANDIDATES = 10_000
SEED = 7


def choose_held_out(samples: EncodedSamples, most: int = KEPT_CANDIDATES) -> HeldOut | None:
    """Users drawn at random, with all of their candidates, as long as those are so many at most.

    None where their labels are all alike, which tells nothing.
    """
    cutter = BatchCutter(samples)
    drawn_U = np.random.default_rng(SEED).permutation(samples.users)
    fits = np.cumsum(cutter.candidates_U[drawn_U]) <= most
    part = cutter.cut(np.sort(drawn_U[fits]))
    if len(np.unique(part.labels_C > 0)) < 2:
        return None
    return HeldOut(part.batch, part.labels_C)


def read_held_out(folder: Path, artifact: Artifact) -> HeldOut:
    """All test samples of a folder. Raises StartupRefused for a file that cannot be used."""
    schema = artifact.manifest.features
    samples = SampleFolder(folder).split("test", fields_of(schema)).chunk(0)
    encoded = encode_samples(samples, Features(schema, artifact.vocabularies))
    return HeldOut(encoded.batch, encoded.labels_C)
