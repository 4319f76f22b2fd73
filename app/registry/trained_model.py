"""The model of a version: its architecture with its weights, once both are known to fit."""

from collections.abc import Mapping

import torch
from torch import Tensor

from app.errors import ArtifactRefused
from app.models.factory import Model, build_model
from app.registry.finite import non_finite
from app.registry.model_store import WEIGHTS, Artifact


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
        with torch.device("meta"):  # no memory for weights that are replaced at once
            model = build_model(manifest.architecture, manifest.features)
        model.load_state_dict(_of_the_types(model, artifact.weights), assign=True)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ArtifactRefused(f"{manifest.name}@{manifest.version}: {reason}") from error
    name = non_finite(artifact.folder / WEIGHTS)  # golden requests do not reach every row
    if name is not None:
        raise ArtifactRefused(f"{manifest.name}@{manifest.version}: {name} is not finite")
    return model.eval().requires_grad_(requires_grad=False)


def _of_the_types(model: Model, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights that have a model's types stay in the file that they are mapped from."""
    types = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    return {name: tensor.to(types.get(name, tensor.dtype)) for name, tensor in weights.items()}
