"""Where a training run begins: at a new model, or at a version that has learned already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from app.core.schema import FeatureSchema
from app.errors import StartupRefused
from app.models.factory import Architecture, build_model
from app.models.interest_model import InterestModel
from app.models.without_weights import without_weights
from app.registry.model_store import WEIGHTS, Artifact, ModelStore
from app.registry.trained_model import trained_model
from app.registry.version_reference import resolve
from app.training.distillation.guides import Guide
from app.training.features import FeatureOptions, Features, learn_features
from app.training.samples import Samples
from app.training.side_fields import DeclaredField, fields_of

OptionValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """How a model computes, what it reads and, unless it is new, what it has learned."""

    architecture: Architecture
    features: Features
    weights: Mapping[str, Tensor] | None = None
    guide: Guide | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the manifest says of where a version comes from."""

    made_from: Mapping[str, str] = field(default_factory=dict)  # NAME@VERSION to weights' sha256
    options: Mapping[str, OptionValue] = field(default_factory=dict)


class Origin(Protocol):
    """What a run begins with."""

    @property
    def fields(self) -> Sequence[DeclaredField]:
        """The side fields to read samples with."""
        ...

    def begin(self, train: Iterable[Samples]) -> StartingPoint:
        """Raises StartupRefused if these samples cannot be begun with."""
        ...

    def provenance(self) -> Provenance: ...


@dataclass(frozen=True, slots=True)
class NewModel:
    """Random weights, and features that the training samples tell."""

    architecture: Architecture
    features: FeatureOptions

    @property
    def fields(self) -> Sequence[DeclaredField]:
        return self.features.side_fields

    def begin(self, train: Iterable[Samples]) -> StartingPoint:
        features = learn_features(train, self.features)
        check_fit(self.architecture, features.schema)
        return StartingPoint(self.architecture, features)

    def provenance(self) -> Provenance:
        choices = asdict(self.features)
        choices["side_fields"] = " ".join(map(str, self.features.side_fields))
        return Provenance(options=choices)


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A version as it is: its weights, and the ids that it knows."""

    artifact: Artifact
    model: InterestModel[Any]

    @property
    def fields(self) -> Sequence[DeclaredField]:
        return fields_of(self.artifact.manifest.features)

    def begin(self, train: Iterable[Samples]) -> StartingPoint:
        manifest = self.artifact.manifest
        features = Features(manifest.features, self.artifact.vocabularies)
        return StartingPoint(manifest.architecture, features, self.artifact.weights)

    def provenance(self) -> Provenance:
        return Provenance(made_from=digests_of(self.artifact))


def check_fit(architecture: Architecture, schema: FeatureSchema) -> None:
    """Raises StartupRefused for an architecture that cannot read these features."""
    try:
        with without_weights():
            build_model(architecture, schema)
    except ValueError as error:
        raise StartupRefused(str(error)) from error


def published_model(store: Path, reference: str) -> PublishedModel:
    """Of `NAME[@VERSION]`. Raises StartupRefused if it is an ensemble, not there or not intact."""
    versions = ModelStore(store)
    artifact = versions.load(*resolve(versions, reference))
    model = trained_model(artifact)
    if not isinstance(model, InterestModel):
        raise StartupRefused(
            f"{artifact.reference} is an ensemble: train its members, then combine them"
        )
    return PublishedModel(artifact, model)


def digests_of(*artifacts: Artifact) -> dict[str, str]:
    """The versions by their references, each with the sha256 of its weights."""
    return {artifact.reference: artifact.manifest.files[WEIGHTS].sha256 for artifact in artifacts}
