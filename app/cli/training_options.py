"""The options of `ctr-serve train` that say how it trains, each with what it does."""

from typing import Annotated

import typer

from app.training.options import CalibrationKind, Negatives, Precision, Schedule

TRAINING, OPTIMIZER, LOSS = "Training", "Optimizer", "Loss"
REGULARIZATION, NEGATIVES, CALIBRATION = "Regularization", "Negatives", "Calibration"
DISTILLATION = "Distillation"

Epochs = Annotated[int, typer.Option(min=1, help="At most.", rich_help_panel=TRAINING)]
Patience = Annotated[
    int,
    typer.Option(min=1, help="Epochs without a better validation AUC.", rich_help_panel=TRAINING),
]
BatchSize = Annotated[int, typer.Option(min=2, help="Rows.", rich_help_panel=TRAINING)]
Seed = Annotated[int, typer.Option(min=0, rich_help_panel=TRAINING)]

LearningRate = Annotated[
    float,
    typer.Option(
        min=1e-6, max=1, help="Of Adam; with a schedule the highest.", rich_help_panel=OPTIMIZER
    ),
]
ScheduleName = Annotated[
    Schedule,
    typer.Option(
        help="How the learning rate falls: not at all, by a factor each epoch, in a straight line "
        "or along half a cosine.",
        rich_help_panel=OPTIMIZER,
    ),
]
WarmUpSteps = Annotated[
    int,
    typer.Option(
        min=0, help="Steps in which the learning rate rises first.", rich_help_panel=OPTIMIZER
    ),
]
LearningRateDecay = Annotated[
    float,
    typer.Option(
        min=1e-3,
        max=1,
        help="What an epoch leaves of the learning rate (exponential).",
        rich_help_panel=OPTIMIZER,
    ),
]
FinalLearningRate = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="At the end of the last of --epochs (linear, cosine).",
        rich_help_panel=OPTIMIZER,
    ),
]
Accumulate = Annotated[
    int,
    typer.Option(
        min=1,
        help="Batches whose gradients make one step: as one so many times larger, in less memory.",
        rich_help_panel=OPTIMIZER,
    ),
]
MaxGradientNorm = Annotated[
    float,
    typer.Option(min=0, help="Longer gradients are cut to it; 0: none.", rich_help_panel=OPTIMIZER),
]
MixedPrecision = Annotated[
    Precision,
    typer.Option(
        help="Of matrix products; everything else is float32. bfloat16 is faster where the "
        "processor has it.",
        rich_help_panel=OPTIMIZER,
    ),
]
WeightAveraging = Annotated[
    float,
    typer.Option(
        min=0,
        max=0.99999,
        help="Share of the old weights in the moving average that is evaluated and published; "
        "0: the last weights.",
        rich_help_panel=OPTIMIZER,
    ),
]

PositiveWeight = Annotated[
    float,
    typer.Option(
        min=1e-3,
        max=1e3,
        help="How many non-clicks a click counts for. Probabilities move with it: calibrate.",
        rich_help_panel=LOSS,
    ),
]
FocalGamma = Annotated[
    float,
    typer.Option(
        min=0,
        max=10,
        help="Focal loss: rows that are easy to tell count less; 0 is cross entropy. "
        "Probabilities move to the middle: calibrate.",
        rich_help_panel=LOSS,
    ),
]
AuxiliaryWeight = Annotated[
    float,
    typer.Option(min=0, help="Of the next-behavior loss; 0 is without.", rich_help_panel=LOSS),
]
AuxiliaryDecay = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="What an epoch leaves of --auxiliary-weight.", rich_help_panel=LOSS
    ),
]
AuxiliaryShare = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=1,
        help="Of the behaviors that the auxiliary loss looks at in a step; less is faster.",
        rich_help_panel=LOSS,
    ),
]

EmbeddingDecay = Annotated[
    float,
    typer.Option(
        min=0,
        help="Weight decay of embeddings: without their id, they shrink by exp(-this) "
        "in an epoch. More against overfitting.",
        rich_help_panel=REGULARIZATION,
    ),
]
IdDropout = Annotated[
    float,
    typer.Option(
        min=0,
        max=0.9,
        help="Share of ids made unknown, which is how unknown ids are learned.",
        rich_help_panel=REGULARIZATION,
    ),
]

CalibrationName = Annotated[
    CalibrationKind,
    typer.Option(
        help="Fitted on valid.tsv so that as many clicks come as were predicted: a line in "
        "log-odds (platt), or a rising curve, for 50,000 rows and more (isotonic).",
        rich_help_panel=CALIBRATION,
    ),
]
NegativesKept = Annotated[
    float,
    typer.Option(
        min=1e-6,
        max=1,
        metavar="SHARE",
        help="Of the rows with label 0, what train.tsv still has if they were sampled down. "
        "valid.tsv and test.tsv need all of them.",
        rich_help_panel=CALIBRATION,
    ),
]
EmbeddingDropout = Annotated[
    float,
    typer.Option(
        min=0,
        max=0.9,
        help="Share of the numbers in looked-up embeddings made zero.",
        rich_help_panel=REGULARIZATION,
    ),
]
FieldL2 = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=WEIGHT",
        help="L2 of the embeddings that a batch looks up, such as item_id=1e-6; as often as "
        "needed.",
        rich_help_panel=REGULARIZATION,
    ),
]
MiniBatchAwareL2 = Annotated[
    float,
    typer.Option(
        min=0,
        help="DIN's: for each id of a batch, over how often training has it. About 1e-3.",
        rich_help_panel=REGULARIZATION,
    ),
]

NegativesKind = Annotated[
    Negatives,
    typer.Option(
        help="What is drawn where nothing happened: any item alike, items as often as training "
        "has them, or items of the positive's category.",
        rich_help_panel=NEGATIVES,
    ),
]
PopularityExponent = Annotated[
    float,
    typer.Option(
        min=0,
        max=4,
        help="An item is drawn in proportion to its count to this power (popularity).",
        rich_help_panel=NEGATIVES,
    ),
]
ExtraNegatives = Annotated[
    int,
    typer.Option(
        min=0,
        max=1000,
        help="Candidates without a click to draw beside each click, anew in every epoch. Weights "
        "keep the share of clicks, and so the probabilities, as the samples have it.",
        rich_help_panel=NEGATIVES,
    ),
]

BoosterHiddenSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        help="Train beside a booster with this hidden size, on the same embeddings.",
        rich_help_panel=DISTILLATION,
    ),
]
BoosterMlpUnits = Annotated[
    str | None,
    typer.Option(
        metavar="400,160",
        help="Train beside a booster with these layers of the MLP.",
        rich_help_panel=DISTILLATION,
    ),
]
BoosterAttentionUnits = Annotated[
    str | None,
    typer.Option(
        metavar="160,80",
        help="Train beside a booster with these layers of mlp attention.",
        rich_help_panel=DISTILLATION,
    ),
]
TeacherVersion = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[@VERSION]",
        help="Learn from a published version, an ensemble too, and read what it reads.",
        rich_help_panel=DISTILLATION,
    ),
]
HintWeight = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="Of the squared difference from the booster's (0.03) or teacher's logits (0.3).",
        rich_help_panel=DISTILLATION,
    ),
]
