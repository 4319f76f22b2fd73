"""The model of a version: its architecture with its weights, once both are known to fit."""

from app.errors import ArtifactRefused
from app.models.factory import Model, build_model
from app.registry.model_store import Artifact


def trained_model(artifact: Artifact) -> Model:
    """Ready to score, without gradients. Raises ArtifactRefused if the parts do not fit."""
    manifest = artifact.manifest
    for field in manifest.features.sparse_fields:
        known = artifact.vocabularies[field.name].rows
        if known != field.rows:
            raise ArtifactRefused(
                f"{manifest.name}@{manifest.version}: the vocabulary of {field.name} has "
                f"{known} rows, the features say {field.rows}"
            )
    try:
        model = build_model(manifest.architecture, manifest.features)
        model.load_state_dict(dict(artifact.weights))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ArtifactRefused(f"{manifest.name}@{manifest.version}: {reason}") from error
    for name, weight in model.state_dict().items():
        if not weight.isfinite().all():  # golden requests do not reach every row of a table
            raise ArtifactRefused(f"{manifest.name}@{manifest.version}: {name} is not finite")
    return model.eval().requires_grad_(requires_grad=False)
