"""`ctr-serve train`: samples become a model version that serving can load."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli import training_options as choices
from app.cli.given_options import refuse_given
from app.errors import StartupRefused
from app.training.options import (
    CalibrationOptions,
    LossOptions,
    NegativeOptions,
    OptimizerOptions,
    RegularizationOptions,
    TrainerOptions,
)

FEATURES, MODEL = "Features", "Model"

DEFAULTS = TrainerOptions()
OPTIMIZER, LOSS = DEFAULTS.optimizer, DEFAULTS.loss
REGULARIZATION, NEGATIVES = DEFAULTS.regularization, DEFAULTS.negatives
CALIBRATION = DEFAULTS.calibration


def train(
    context: typer.Context,
    samples: Annotated[
        Path, typer.Option(help="Folder with train, valid and test as .parquet or .tsv.")
    ],
    name: Annotated[str, typer.Option(help="Name of the model in the store.")] = "dien",
    store: Annotated[
        Path, typer.Option(envvar="CTR_MODEL_STORE", help="Where the version goes.")
    ] = Path("model_store"),
    activate: Annotated[
        bool, typer.Option(help="Make it the version that `ctr-serve serve` starts with.")
    ] = True,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME[@VERSION]",
            help="Go on from the weights of a version, with its architecture and features.",
        ),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write the state of the run to after each epoch. The same command "
            "goes on from there."
        ),
    ] = None,
    limit_rows: Annotated[
        int | None, typer.Option(min=1, help="First rows of each split, for a quick try.")
    ] = None,
    chunk_rows: Annotated[
        int | None,
        typer.Option(
            min=1000,
            help="Rows in memory at a time, for Parquet samples that do not fit into it; without: "
            "all of them.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    device: Annotated[
        str, typer.Option(help="cpu, cuda (under torchrun a GPU for each process) or cuda:N.")
    ] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE:NAME:KIND[:DIM]",
            help="A column of the samples to read too, as often as needed: SOURCE is profile, "
            "context, candidate or any (whichever of them has it), KIND is sparse (an id; DIM is "
            "its embedding's width) or dense (a number, standardized).",
            rich_help_panel=FEATURES,
        ),
    ] = None,
    user_id: Annotated[
        bool, typer.Option(help="Give each user an embedding.", rich_help_panel=FEATURES)
    ] = False,
    max_behaviors: Annotated[
        int,
        typer.Option(
            min=1, max=10_000, help="Newest behaviors to look at.", rich_help_panel=FEATURES
        ),
    ] = 50,
    min_count: Annotated[
        int,
        typer.Option(
            min=1, help="Ids that fewer users met count as unknown.", rich_help_panel=FEATURES
        ),
    ] = 1,
    embedding_dim: Annotated[
        int,
        typer.Option(min=1, max=1024, help="Of item and category each.", rich_help_panel=FEATURES),
    ] = 18,
    architecture: Annotated[
        Literal["dien", "din", "dsin"],
        typer.Option(
            help="Interests that evolve, that are pooled, or that come in sessions.",
            rich_help_panel=MODEL,
        ),
    ] = "dien",
    hidden_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Of the recurrent layers; dien 36, dsin 18 in each direction.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    evolution: Annotated[
        Literal["augru", "agru", "aigru", "gru", "gru_last_state"] | None,
        typer.Option(
            help="How attention enters the second layer (dien); augru.", rich_help_panel=MODEL
        ),
    ] = None,
    augru: Annotated[
        Literal["paper", "official"] | None,
        typer.Option(
            help="Attention scales the write or the keep gate (dien); paper.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    reset_gate: Annotated[
        Literal["after", "before"] | None,
        typer.Option(
            help="Applied after or before the matrix product (dien); after.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    attention: Annotated[
        Literal["mlp", "bilinear", "dot", "multi_head"] | None,
        typer.Option(
            help="What compares a candidate with a behavior; mlp, in dsin bilinear.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    attention_heads: Annotated[
        int | None, typer.Option(min=1, help="Of multi_head attention; 4.", rich_help_panel=MODEL)
    ] = None,
    attention_units: Annotated[
        str | None,
        typer.Option(
            metavar="80,40", help="Hidden layers of mlp attention; 80,40.", rich_help_panel=MODEL
        ),
    ] = None,
    attention_softmax: Annotated[
        bool | None,
        typer.Option(
            help="Attention sums to one; otherwise it is an intensity, as in the paper of din.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    self_attention_heads: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Let behaviors attend to one another first; 0, which is without.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    position_aware: Annotated[
        bool | None,
        typer.Option(
            help="Tell attention how long ago a behavior was; without.", rich_help_panel=MODEL
        ),
    ] = None,
    query_projection: Annotated[
        bool | None,
        typer.Option(
            help="Project the candidate before attention; in dien.", rich_help_panel=MODEL
        ),
    ] = None,
    sum_pooling: Annotated[
        bool | None,
        typer.Option(
            help="Give the last layers the sum of behaviors too (dien, din); in dien.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    cold_interest: Annotated[
        bool | None,
        typer.Option(
            help="Train an interest for users without behaviors (din); without.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    session_gap_s: Annotated[
        int | None,
        typer.Option(
            min=1, help="Seconds of silence that end a session (dsin); 1800.", rich_help_panel=MODEL
        ),
    ] = None,
    max_sessions: Annotated[
        int | None,
        typer.Option(min=1, help="Newest sessions to look at (dsin); 10.", rich_help_panel=MODEL),
    ] = None,
    mlp_units: Annotated[
        str | None,
        typer.Option(
            metavar="200,80", help="Hidden layers of the MLP; 200,80.", rich_help_panel=MODEL
        ),
    ] = None,
    embedding_init_std: Annotated[
        float | None,
        typer.Option(min=1e-6, help="Of the first random embeddings; 0.05.", rich_help_panel=MODEL),
    ] = None,
    epochs: choices.Epochs = DEFAULTS.epochs,
    patience: choices.Patience = DEFAULTS.patience,
    batch_size: choices.BatchSize = DEFAULTS.batch_size,
    seed: choices.Seed = DEFAULTS.seed,
    learning_rate: choices.LearningRate = OPTIMIZER.learning_rate,
    schedule: choices.ScheduleName = OPTIMIZER.schedule,
    warm_up_steps: choices.WarmUpSteps = OPTIMIZER.warm_up_steps,
    learning_rate_decay: choices.LearningRateDecay = OPTIMIZER.learning_rate_decay,
    final_learning_rate: choices.FinalLearningRate = OPTIMIZER.final_learning_rate,
    accumulate: choices.Accumulate = OPTIMIZER.accumulate,
    max_gradient_norm: choices.MaxGradientNorm = OPTIMIZER.max_gradient_norm,
    precision: choices.MixedPrecision = OPTIMIZER.precision,
    weight_averaging: choices.WeightAveraging = OPTIMIZER.weight_averaging,
    positive_weight: choices.PositiveWeight = LOSS.positive_weight,
    focal_gamma: choices.FocalGamma = LOSS.focal_gamma,
    auxiliary_weight: choices.AuxiliaryWeight = LOSS.auxiliary_weight,
    auxiliary_decay: choices.AuxiliaryDecay = LOSS.auxiliary_decay,
    auxiliary_share: choices.AuxiliaryShare = LOSS.auxiliary_share,
    embedding_decay: choices.EmbeddingDecay = REGULARIZATION.embedding_decay,
    id_dropout: choices.IdDropout = REGULARIZATION.id_dropout,
    calibration: choices.CalibrationName = CALIBRATION.calibration,
    negatives_kept: choices.NegativesKept = CALIBRATION.negatives_kept,
    embedding_dropout: choices.EmbeddingDropout = REGULARIZATION.embedding_dropout,
    l2: choices.FieldL2 = None,
    mini_batch_aware_l2: choices.MiniBatchAwareL2 = REGULARIZATION.mini_batch_aware_l2,
    negatives: choices.NegativesKind = NEGATIVES.negatives,
    popularity_exponent: choices.PopularityExponent = NEGATIVES.popularity_exponent,
    extra_negatives: choices.ExtraNegatives = NEGATIVES.extra_negatives,
    booster_hidden_size: choices.BoosterHiddenSize = None,
    booster_mlp_units: choices.BoosterMlpUnits = None,
    booster_attention_units: choices.BoosterAttentionUnits = None,
    teacher: choices.TeacherVersion = None,
    hint_weight: choices.HintWeight = None,
) -> None:
    """Train DIEN, DIN or DSIN on click samples and publish it as a model version.

    Samples come from `ctr-serve prepare`, or from your impression log.
    Training stops when the AUC of valid.tsv no longer improves and keeps
    the best epoch, whose CTRs are then calibrated there. The version is
    written with its vocabularies and golden requests, read back and checked
    before it becomes active; on test.tsv it is compared with popularity,
    which is what it has to beat.

    Try the options on few rows first:

    ctr-serve train --samples samples --limit-rows 20000 --no-activate

    Example: ctr-serve train --samples samples --field context:device:sparse:8
    --field candidate:price:dense

    On several processes or GPUs: torchrun --nproc-per-node 2 -m app train
    --samples samples

    Fine-tune a version on newer samples: ctr-serve train --samples newer
    --name dien --from dien@3 --learning-rate 1e-3 --epochs 2
    """
    import orjson
    from rich.console import Console

    from app.cli.train_extra import needs_train_extra
    from app.inference.torch_process import prepare_torch

    with needs_train_extra():
        from app.cli.training_table import as_dict, show
        from app.training.architecture import (
            chosen_architecture,
            larger_architecture,
            split_numbers,
        )
        from app.training.distillation.guided_model import BoostedModel, taught_model
        from app.training.distillation.guides import BESIDE_BOOSTER, BESIDE_TEACHER, Booster
        from app.training.features import FeatureOptions
        from app.training.field_l2 import parse_l2
        from app.training.origin import NewModel, Origin, published_model
        from app.training.processes import joined_processes
        from app.training.progress import ProgressBars
        from app.training.run import RunOptions, help_to_train, train_and_publish
        from app.training.sample_folder import SampleFolder
        from app.training.sample_split import ReadingOptions
        from app.training.side_fields import parse_fields

    chosen = chosen_architecture(
        architecture,
        hidden_size=hidden_size,
        evolution=evolution,
        augru=augru,
        reset_gate=reset_gate,
        attention=attention,
        attention_heads=attention_heads,
        attention_units=split_numbers(attention_units),
        attention_softmax=attention_softmax,
        self_attention_heads=self_attention_heads,
        position_aware=position_aware,
        query_projection=query_projection,
        sum_pooling=sum_pooling,
        cold_interest=cold_interest,
        session_gap_s=session_gap_s,
        max_sessions=max_sessions,
        mlp_units=split_numbers(mlp_units),
        embedding_init_std=embedding_init_std,
    )
    booster = larger_architecture(
        chosen,
        hidden_size=booster_hidden_size,
        mlp_units=split_numbers(booster_mlp_units),
        attention_units=split_numbers(booster_attention_units),
    )
    new = NewModel(
        architecture=chosen,
        features=FeatureOptions(
            embedding_dim=embedding_dim,
            max_behaviors=max_behaviors,
            min_count=min_count,
            user_id=user_id,
            side_fields=parse_fields(field or ()),
        ),
    )
    origin: Origin = new
    if start_from is not None:
        told = (FEATURES, MODEL, choices.DISTILLATION)
        refuse_given(context, told, "cannot change with --from: its version says it")
        origin = published_model(store, start_from)
    elif teacher is not None:
        refuse_given(context, (FEATURES,), "cannot change with --teacher: its version says it")
        if booster is not None:
            raise StartupRefused("--teacher and a booster: a light net listens to one of them")
        weight = BESIDE_TEACHER if hint_weight is None else hint_weight
        origin = taught_model(store, teacher, chosen, weight)
    elif booster is not None:
        weight = BESIDE_BOOSTER if hint_weight is None else hint_weight
        origin = BoostedModel(new, Booster(booster, weight))
    else:
        refuse_given(context, (choices.DISTILLATION,), "needs a booster or a teacher to listen to")
    options = RunOptions(
        samples=SampleFolder(samples, ReadingOptions(limit_rows, chunk_rows)),
        store=store,
        name=name,
        origin=origin,
        trainer=TrainerOptions(
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            seed=seed,
            optimizer=OptimizerOptions(
                learning_rate=learning_rate,
                schedule=schedule,
                warm_up_steps=warm_up_steps,
                learning_rate_decay=learning_rate_decay,
                final_learning_rate=final_learning_rate,
                accumulate=accumulate,
                max_gradient_norm=max_gradient_norm,
                precision=precision,
                weight_averaging=weight_averaging,
            ),
            loss=LossOptions(
                positive_weight=positive_weight,
                focal_gamma=focal_gamma,
                auxiliary_weight=auxiliary_weight,
                auxiliary_decay=auxiliary_decay,
                auxiliary_share=auxiliary_share,
            ),
            regularization=RegularizationOptions(
                embedding_decay=embedding_decay,
                id_dropout=id_dropout,
                embedding_dropout=embedding_dropout,
                l2=parse_l2(l2 or ()),
                mini_batch_aware_l2=mini_batch_aware_l2,
            ),
            negatives=NegativeOptions(
                negatives=negatives,
                popularity_exponent=popularity_exponent,
                extra_negatives=extra_negatives,
            ),
            calibration=CalibrationOptions(calibration=calibration, negatives_kept=negatives_kept),
        ),
        checkpoints=checkpoints,
        activate=activate,
    )
    prepare_torch(threads=threads)
    with joined_processes(device) as processes:
        if not processes.is_first:
            help_to_train(options, processes)
            return
        with ProgressBars(Console(stderr=True)) as bars:
            run = train_and_publish(options, bars, processes)
    if as_json:
        typer.echo(orjson.dumps(as_dict(run)))
    else:
        show(run, Console())
