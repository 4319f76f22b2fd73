"""From a starting point to the losses that its training minimizes."""

from typing import Any, cast

import torch

from app.models.factory import Model, build_model
from app.models.interest_model import InterestModel
from app.training.distillation.guides import Booster, Teacher
from app.training.distillation.objectives import RocketObjective, TaughtObjective
from app.training.distillation.rocket_launch import RocketLaunch
from app.training.objective import ClickObjective, Objective
from app.training.options import TrainerOptions
from app.training.origin import StartingPoint

CPU = torch.device("cpu")


def objective_of(
    start: StartingPoint, options: TrainerOptions, device: torch.device = CPU
) -> Objective:
    """Its models have the weights to start with, and random ones where they are new."""
    schema = start.features.schema
    model = build_model(start.architecture, schema)
    if start.weights is not None:
        model.load_state_dict(dict(start.weights))
    match start.guide:
        case None:
            return ClickObjective(model.to(device), options)
        case Teacher(teacher, hint_weight):
            return TaughtObjective(model.to(device), options, teacher.to(device), hint_weight)
        case Booster(architecture, hint_weight):
            launch = RocketLaunch(_single(model), _single(build_model(architecture, schema)))
            return RocketObjective(launch.to(device), options, hint_weight)


def _single(model: Model) -> InterestModel[Any]:
    """Only ensembles are none, and these are not trained."""
    return cast("InterestModel[Any]", model)
