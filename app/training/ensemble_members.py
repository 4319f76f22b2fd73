"""The members of an ensemble: versions that read the same features, and how much each counts."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from app.core.batch import Floats
from app.errors import StartupRefused
from app.models.ensemble.config import EnsembleConfig, EnsembleMember
from app.registry.golden import GoldenRequest
from app.registry.model_store import Artifact
from app.registry.priors import Priors, SmoothedRates
from app.training.feature_difference import feature_difference
from app.training.features import Features

FEWEST = 2


@dataclass(frozen=True, slots=True)
class EnsembleMembers:
    """What the members have in common, and what their ensemble takes from each."""

    artifacts: Sequence[Artifact]
    weights: Sequence[float]  # they sum to one
    architecture: EnsembleConfig

    @classmethod
    def of(cls, artifacts: Sequence[Artifact], weights: Sequence[float] = ()) -> "EnsembleMembers":
        """Weights are scaled to sum to one; without any, all members count the same.

        Raises StartupRefused for versions that cannot be asked together.
        """
        _check_choice([artifact.reference for artifact in artifacts])
        shares = _shares(weights or [1.0] * len(artifacts), len(artifacts))
        for other in artifacts[1:]:
            _check_that_they_read_the_same(artifacts[0], other)
        members = [
            _member(artifact, share) for artifact, share in zip(artifacts, shares, strict=True)
        ]
        return cls(artifacts, shares, EnsembleConfig(members=tuple(members)))

    @property
    def features(self) -> Features:
        return _features(self.artifacts[0])

    @property
    def golden_requests(self) -> list[GoldenRequest]:
        """Everybody's, each once and without its CTRs."""
        requests: list[GoldenRequest] = []
        for artifact in self.artifacts:
            asked = [one.model_copy(update={"ctr": ()}) for one in artifact.golden.requests]
            requests += [one for one in asked if one not in requests]
        return requests

    def state(self) -> dict[str, Tensor]:
        """The members' weights as the ensemble names them."""
        return {
            f"members.{index}.{name}": tensor
            for index, artifact in enumerate(self.artifacts)
            for name, tensor in artifact.weights.items()
        }

    def negatives_kept(self) -> float:
        """The one correction that is right for the mean of logits that need one each."""
        return math.exp(
            self._mean(lambda artifact: math.log(artifact.manifest.calibration.negatives_kept))
        )

    def priors(self) -> Priors:
        """The mean of theirs; without rates, unless all members have some."""
        mean_ctr = self._mean(lambda artifact: artifact.manifest.prior_ctr)
        of_members = [artifact.priors.rates for artifact in self.artifacts]
        if not all(of_members):
            return Priors(mean_ctr)
        return Priors(mean_ctr, list(map(self._mean_rates, zip(*of_members, strict=True))))

    def _mean_rates(self, of_members: Sequence[SmoothedRates]) -> SmoothedRates:
        """Of one field, whose table has the same rows in all members."""

        def mean(columns: Iterable[Floats]) -> Floats:
            return np.average(list(columns), axis=0, weights=self.weights).astype(np.float32)

        return SmoothedRates(
            mean(rates.own_V for rates in of_members),
            mean(rates.parent_share_V for rates in of_members),
        )

    def _mean(self, value_of: Callable[[Artifact], float]) -> float:
        values = map(value_of, self.artifacts)
        return sum(share * value for share, value in zip(self.weights, values, strict=True))


def _check_choice(references: Sequence[str]) -> None:
    if len(references) < FEWEST:
        raise StartupRefused(f"an ensemble has {FEWEST} members and more, not {len(references)}")
    repeated = [reference for reference in references if references.count(reference) > 1]
    if repeated:
        raise StartupRefused(f"{repeated[0]} is named twice: give it a larger weight instead")


def _shares(weights: Sequence[float], members: int) -> list[float]:
    if len(weights) != members:
        raise StartupRefused(f"--weights has {len(weights)} numbers for {members} members")
    if not all(0 < weight < math.inf for weight in weights):
        raise StartupRefused("--weights must be positive: leave out members that do not count")
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def _member(artifact: Artifact, share: float) -> EnsembleMember:
    architecture = artifact.manifest.architecture
    if isinstance(architecture, EnsembleConfig):
        raise StartupRefused(
            f"{artifact.reference} is an ensemble itself: name its members "
            f"({', '.join(artifact.manifest.training.made_from)}) instead"
        )
    return EnsembleMember(weight=share, architecture=architecture)


def _check_that_they_read_the_same(one: Artifact, other: Artifact) -> None:
    difference = feature_difference(_features(one), _features(other))
    if difference is not None:
        raise StartupRefused(
            f"{one.reference} and {other.reference} differ in {difference}: train the members of "
            "an ensemble on the same samples with the same options of features"
        )


def _features(artifact: Artifact) -> Features:
    return Features(artifact.manifest.features, artifact.vocabularies)
