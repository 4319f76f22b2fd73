"""Published versions become one more version, which asks them all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.calibration import Uncalibrated
from app.features.encoder import Encoder
from app.models.factory import Model, build_model
from app.registry.exports.held_out import held_out_of
from app.registry.manifest import Manifest, TrainingRecord
from app.registry.model_store import Artifact, ModelStore, checked_name
from app.registry.publication import check_writable, golden_of, publish_verified
from app.registry.publishing import NewVersion
from app.registry.version_reference import resolve
from app.training.encoded_split import EncodedSplit
from app.training.ensemble_members import EnsembleMembers
from app.training.judgment import EVALUATED, Judgment, judge
from app.training.options import CalibrationKind, CalibrationOptions
from app.training.origin import digests_of
from app.training.sample_folder import SampleFolder
from app.training.side_fields import fields_of

OnSteps = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class EnsembleOptions:
    """Whom to ask, and how much each opinion counts."""

    store: Path
    name: str
    members: Sequence[str]  # NAME[@VERSION]
    weights: Sequence[float] = ()  # one per member, of any sum; without any, equal ones
    samples: SampleFolder | None = None  # to calibrate and to measure with
    calibration: CalibrationKind = "platt"
    activate: bool = True

    @property
    def steps(self) -> int:
        """How many steps `combine_and_publish` tells of."""
        return len(self.members) + 2


def combine_and_publish(options: EnsembleOptions, on_steps: OnSteps = lambda _: None) -> Manifest:
    """Members' own calibrations do not carry over: the ensemble has its own, fitted on samples.

    Raises StartupRefused for versions that cannot be asked together.
    """
    checked_name(options.name)
    check_writable(options.store)
    store = ModelStore(options.store)
    artifacts: list[Artifact] = []
    for member in options.members:
        artifacts.append(store.load(*resolve(store, member)))
        on_steps(1)
    members = EnsembleMembers.of(artifacts, options.weights)
    model = build_model(members.architecture, members.features.schema).eval()
    model.load_state_dict(members.state())
    judgment = _judge(options, members, model)
    on_steps(1)
    new = _new_version(options, members, model, judgment)
    manifest = publish_verified(store, new, activated=options.activate)
    on_steps(1)
    return manifest


def _judge(options: EnsembleOptions, members: EnsembleMembers, model: Model) -> Judgment:
    if options.samples is None:
        return Judgment(Uncalibrated(negatives_kept=members.negatives_kept()), {}, {}, ())
    features, samples = members.features, options.samples
    fields = fields_of(features.schema)
    splits = {
        split: EncodedSplit.encoding(samples.split(split, fields), features) for split in EVALUATED
    }
    return judge(
        model,
        splits,
        CalibrationOptions(options.calibration, members.negatives_kept()),
        members.priors(),
        features.schema.max_behaviors,
    )


def _new_version(
    options: EnsembleOptions, members: EnsembleMembers, model: Model, judgment: Judgment
) -> NewVersion:
    features, samples = members.features, options.samples
    encoder = Encoder(features.schema, features.vocabularies)
    return NewVersion(
        name=options.name,
        architecture=members.architecture,
        features=features.schema,
        weights=model.state_dict(),
        vocabularies=features.vocabularies,
        golden=golden_of(model, encoder, judgment.calibration, members.golden_requests),
        prior_ctr=members.priors().mean_ctr,
        training=TrainingRecord(
            samples=samples.digests(EVALUATED) if samples else {},
            options={**samples.limits} if samples else {},
            made_from=digests_of(*members.artifacts),
        ),
        metrics=judgment.metrics,
        metrics_uncalibrated=judgment.metrics_uncalibrated,
        calibration=judgment.calibration,
        prior_rates=members.priors().rates,
        ladder=judgment.ladder,
        held_out=next(filter(None, map(held_out_of, members.artifacts)), None),
    )
