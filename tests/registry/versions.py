"""Versions to publish and to damage, and the one line that a refusal must be."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import ArtifactRefused
from app.registry.model_store import Artifact
from app.registry.publishing import NewVersion


def as_new(artifact: Artifact, **changes: Any) -> NewVersion:
    """A loaded version as one to publish, with some of its parts changed."""
    manifest = artifact.manifest
    parts = {
        "name": manifest.name,
        "architecture": manifest.architecture,
        "features": manifest.features,
        "weights": artifact.weights,
        "vocabularies": artifact.vocabularies,
        "golden": artifact.golden,
        "prior_ctr": manifest.prior_ctr,
        "calibration": manifest.calibration,
    }
    return NewVersion(**{**parts, **changes})


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_bytes())
    edit(content)
    path.write_text(json.dumps(content))


def replace_file(folder: Path, file: str, content: bytes) -> None:
    """A file that somebody wrote who also knows how to hash."""
    (folder / file).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()

    def sign(manifest: dict[str, Any]) -> None:
        manifest["files"][file] = {"sha256": digest, "size": len(content)}
        if file == "golden.json":
            manifest["golden_sha256"] = digest

    edit_manifest(folder, sign)


def refusal(call: Callable[[], object]) -> str:
    """The message of an ArtifactRefused, which is always one line."""
    with pytest.raises(ArtifactRefused) as refused:
        call()
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message
