"""Light nets to begin training with, and the guides that they listen to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.models.factory import Architecture
from app.registry.model_store import Artifact, ModelStore
from app.registry.trained_model import trained_model
from app.registry.version_reference import resolve
from app.training.distillation.guides import Booster, Teacher
from app.training.features import Features
from app.training.origin import NewModel, Provenance, StartingPoint, check_fit, digests_of
from app.training.samples import Samples
from app.training.side_fields import DeclaredField, fields_of


@dataclass(frozen=True, slots=True)
class BoostedModel:
    """A new model beside a booster."""

    light: NewModel
    booster: Booster

    @property
    def fields(self) -> Sequence[DeclaredField]:
        return self.light.fields

    def begin(self, train: Iterable[Samples]) -> StartingPoint:
        start = self.light.begin(train)
        check_fit(self.booster.architecture, start.features.schema)
        return replace(start, guide=self.booster)

    def provenance(self) -> Provenance:
        """With everything that the booster has otherwise than the light net."""
        own, boosters = (
            architecture.model_dump()
            for architecture in (self.light.architecture, self.booster.architecture)
        )
        differing = {
            f"booster_{name}": str(value) for name, value in boosters.items() if value != own[name]
        }
        plain = self.light.provenance()
        guided = {**plain.options, **differing, "hint_weight": self.booster.hint_weight}
        return replace(plain, options=guided)


@dataclass(frozen=True, slots=True)
class TaughtModel:
    """A new model that reads what its teacher reads."""

    architecture: Architecture
    artifact: Artifact
    teacher: Teacher

    @property
    def fields(self) -> Sequence[DeclaredField]:
        return fields_of(self.artifact.manifest.features)

    def begin(self, train: Iterable[Samples]) -> StartingPoint:
        features = Features(self.artifact.manifest.features, self.artifact.vocabularies)
        check_fit(self.architecture, features.schema)
        return StartingPoint(self.architecture, features, guide=self.teacher)

    def provenance(self) -> Provenance:
        return Provenance(digests_of(self.artifact), {"hint_weight": self.teacher.hint_weight})


def taught_model(
    store: Path, reference: str, architecture: Architecture, hint_weight: float
) -> TaughtModel:
    """By `NAME[@VERSION]`. Raises ArtifactRefused if there is none, or it is not intact."""
    versions = ModelStore(store)
    artifact = versions.load(*resolve(versions, reference))
    return TaughtModel(architecture, artifact, Teacher(trained_model(artifact), hint_weight))
