"""One pruning: a published version in, a smaller one that has been fine-tuned out."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from app.training.options import TrainerOptions
from app.training.origin import PublishedModel, published_model
from app.training.progress import Watcher
from app.training.pruning.pruned_model import PrunedModel, PruningOptions
from app.training.recorded_options import recorded_options
from app.training.run import RunOptions, TrainingRun, train_and_publish
from app.training.sample_folder import SampleFolder


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What is done otherwise than in the training of the larger model."""

    epochs: int = 1
    learning_rate: float = 1e-3  # a few times lower: what was learned must not be undone
    seed: int = 7

    def of(self, trained: TrainerOptions) -> TrainerOptions:
        optimizer = replace(
            trained.optimizer,
            learning_rate=self.learning_rate,
            schedule="constant",
            warm_up_steps=0,
        )
        return replace(trained, epochs=self.epochs, seed=self.seed, optimizer=optimizer)


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """What becomes how small, and where it goes."""

    store: Path
    version: str  # NAME[@VERSION]
    name: str
    samples: SampleFolder
    pruning: PruningOptions = field(default_factory=PruningOptions)
    fine_tuning: FineTuning = field(default_factory=FineTuning)
    activate: bool = True


@dataclass(frozen=True, slots=True)
class PruningRun:
    """The larger version, and how the smaller one came out."""

    larger: PublishedModel
    run: TrainingRun


def prune_and_publish(options: PruneOptions, watcher: Watcher) -> PruningRun:
    """Raises StartupRefused for a version or samples that this cannot be done with."""
    larger = published_model(options.store, options.version)
    run = RunOptions(
        samples=options.samples,
        store=options.store,
        name=options.name,
        origin=PrunedModel(larger, options.pruning),
        trainer=options.fine_tuning.of(recorded_options(larger.artifact.manifest)),
        activate=options.activate,
    )
    return PruningRun(larger, train_and_publish(run, watcher))
