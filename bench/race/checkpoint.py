"""The one model of the race: a version that is given, or a DIEN trained here for it."""

import subprocess
import sys
from pathlib import Path

from app.registry.model_store import Artifact, ModelStore

NAME = "race"
LONGEST = 100  # behaviors that the grid asks for

# The papers' sizes are the defaults of `train`; some epochs, so that scores differ between ads.
TRAINING = ("--max-behaviors", str(LONGEST), "--epochs", "3", "--patience", "3")


def find_or_train(store: Path | None, model: str | None, cache: Path) -> tuple[Path, Artifact]:
    """Its store and the version. Ends the program if the version cannot be raced with."""
    if store is None:
        store, model = cache / "store", NAME
        if not store.joinpath(NAME, "ACTIVE").exists():
            train(store, cache / "samples")
    models = ModelStore(store)
    active = models.active_versions()
    name = model or next(iter(active), None)
    if name not in active:
        sys.exit(f"{store} has no active version of {name}: publish one, or leave --store out")
    artifact = models.load(name, active[name])
    if artifact.manifest.features.max_behaviors < LONGEST:
        sys.exit(
            f"{artifact.reference} looks at {artifact.manifest.features.max_behaviors} behaviors, "
            f"the race at {LONGEST}: train it with --max-behaviors {LONGEST}"
        )
    return store, artifact


def train(store: Path, samples: Path) -> None:
    """About a minute: a simulated ad world, and a DIEN of the papers' sizes on it."""
    command = [sys.executable, "-m", "app"]
    subprocess.run([*command, "simulate", str(samples)], check=True)
    where = ("--samples", str(samples), "--name", NAME, "--store", str(store))
    subprocess.run([*command, "train", *where, *TRAINING], check=True)
