"""The model of a version: its architecture with its weights, once both are known to fit."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from app.errors import ArtifactRefused, one_line
from app.models.factory import Model, build_model
from app.models.layers.stored_table import TableFormat, with_stored_tables
from app.models.without_weights import without_weights
from app.registry.finite import non_finite
from app.registry.model_store import DELETED, WEIGHTS, Artifact


def trained_model(artifact: Artifact) -> Model:
    """Ready to score, without gradients. Raises ArtifactRefused if the parts do not fit."""
    return filled(artifact, empty_model(artifact), artifact.weights, artifact.folder / WEIGHTS)


def empty_model(artifact: Artifact, table_format: TableFormat | None = None) -> Model:
    """Its architecture, without memory for weights. Raises ArtifactRefused if parts do not fit."""
    manifest = artifact.manifest
    for field in manifest.features.sparse_fields:
        known = artifact.vocabularies[field.name].rows
        if known != field.rows:
            raise ArtifactRefused(
                f"{artifact.reference}: the vocabulary of {field.name} has "
                f"{known} rows, the features say {field.rows}"
            )
    try:
        with without_weights():
            model = build_model(manifest.architecture, manifest.features)
            if table_format is not None:
                with_stored_tables(model, table_format)
    except ValueError as error:
        raise ArtifactRefused(f"{artifact.reference}: {error}") from error
    return model


def filled(artifact: Artifact, model: Model, weights: Mapping[str, Tensor], file: Path) -> Model:
    """With these weights, which lie in this file. Raises ArtifactRefused if they do not fit."""
    try:
        model.load_state_dict(_of_the_types(model, weights), assign=True)
    except RuntimeError as error:
        raise ArtifactRefused(f"{artifact.reference}: {one_line(error)}") from error
    try:
        name = non_finite(file)  # golden requests do not reach every row of a table
    except FileNotFoundError:
        raise ArtifactRefused(f"{file}: {DELETED}") from None
    if name is not None:
        raise ArtifactRefused(f"{artifact.reference}: {name} is not finite")
    return model.eval().requires_grad_(requires_grad=False)


def _of_the_types(model: Model, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights that have a model's types stay in the file that they are mapped from."""
    types = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    return {name: tensor.to(types.get(name, tensor.dtype)) for name, tensor in weights.items()}
