"""The options of `ctr-serve train` that say how it trains, each with what it does."""

from typing import Annotated

import typer

TRAINING, OPTIMIZER, LOSS = "Training", "Optimizer", "Loss"
REGULARIZATION = "Regularization"

Epochs = Annotated[int, typer.Option(min=1, help="At most.", rich_help_panel=TRAINING)]
Patience = Annotated[
    int,
    typer.Option(min=1, help="Epochs without a better validation AUC.", rich_help_panel=TRAINING),
]
BatchSize = Annotated[int, typer.Option(min=2, help="Rows.", rich_help_panel=TRAINING)]
Seed = Annotated[int, typer.Option(min=0, rich_help_panel=TRAINING)]

LearningRate = Annotated[
    float, typer.Option(min=1e-6, max=1, help="Of Adam.", rich_help_panel=OPTIMIZER)
]
MaxGradientNorm = Annotated[
    float,
    typer.Option(min=0, help="Longer gradients are cut to it; 0: none.", rich_help_panel=OPTIMIZER),
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

AuxiliaryWeight = Annotated[
    float,
    typer.Option(min=0, help="Of the next-behavior loss; 0 is without.", rich_help_panel=LOSS),
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
