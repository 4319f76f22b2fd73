"""What a guided light net minimizes, and who learns from which part of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from app.models.factory import Model, build_model
from app.training.checkpoints import Checkpoints
from app.training.distillation.guides import Booster, Teacher
from app.training.distillation.launching import objective_of
from app.training.distillation.rocket_launch import RocketLaunch
from app.training.evaluation import auc
from app.training.objective import Objective
from app.training.options import TrainerOptions
from app.training.origin import StartingPoint
from app.training.prediction import forward, predict
from app.training.progress import Unwatched
from app.training.step_sampler import StepSampler
from app.training.steps import StepBatch
from app.training.trainer import train_model
from tests.training.builders import QUICK, SMALL_DIEN
from tests.training.planted_world import PlantedWorld

BOOSTER = SMALL_DIEN.model_copy(update={"hidden_size": 12, "mlp_units": (24,)})
WITHOUT_AUXILIARY = replace(QUICK, loss=replace(QUICK.loss, auxiliary_weight=0.0))
HINT_WEIGHT = 0.7


@pytest.fixture
def step(world: PlantedWorld) -> StepBatch:
    sampler = StepSampler(world.split("train"), QUICK, np.random.default_rng(0))
    step, _ = next(iter(sampler.steps()))
    return replace(step, weights_C=np.linspace(0.5, 1.5, len(step.labels_C), dtype=np.float32))


def launch(
    world: PlantedWorld, hint_weight: float, options: TrainerOptions = WITHOUT_AUXILIARY
) -> Objective:
    torch.manual_seed(0)
    guide = Booster(BOOSTER, hint_weight)
    return objective_of(StartingPoint(SMALL_DIEN, world.features, guide=guide), options)


def gradients(objective: Objective, step: StepBatch) -> dict[str, Tensor]:
    objective.trained.zero_grad()
    losses = objective.losses(step)
    torch.autograd.backward(losses.click + losses.auxiliary)
    return {
        name: weight.grad.clone()
        for name, weight in objective.trained.named_parameters()
        if weight.grad is not None
    }


def cross_entropy(logits_C: Tensor, step: StepBatch) -> float:
    total = 0.0
    for logit, label, weight in zip(
        logits_C.tolist(), step.labels_C.tolist(), step.weights_C.tolist(), strict=True
    ):
        ctr = 1 / (1 + np.exp(-logit))
        total -= weight * np.log(ctr if label else 1 - ctr)
    return total


def test_the_loss_is_both_nets_own_and_the_squared_difference_of_their_logits(
    world: PlantedWorld, step: StepBatch
) -> None:
    objective = launch(world, HINT_WEIGHT)
    rocket = objective.trained.eval()
    assert isinstance(rocket, RocketLaunch)

    losses = objective.losses(step)

    light_C, booster_C = (forward(net, step.batch)[1] for net in (rocket.light, rocket.booster))
    hint = sum(
        weight * (light - booster) ** 2
        for weight, light, booster in zip(
            step.weights_C.tolist(), light_C.tolist(), booster_C.tolist(), strict=True
        )
    )
    expected = cross_entropy(light_C, step) + cross_entropy(booster_C, step) + HINT_WEIGHT * hint
    assert hint > 0
    assert losses.click.item() == pytest.approx(expected, rel=1e-5)
    assert losses.logits_C.equal(light_C)


def test_the_booster_learns_nothing_from_the_hint(world: PlantedWorld, step: StepBatch) -> None:
    without = gradients(launch(world, 0.0), step)
    hinted = gradients(launch(world, HINT_WEIGHT), step)

    assert without.keys() == hinted.keys()
    for name, gradient in without.items():
        moved = not torch.allclose(hinted[name], gradient, rtol=1e-4, atol=1e-6)
        assert not (name.startswith("booster.") and moved), name
    first = "light.mlp.layers.0.weight"
    assert not torch.allclose(hinted[first], without[first])


def test_both_nets_look_up_in_the_same_tables_and_train_them(
    world: PlantedWorld, step: StepBatch
) -> None:
    objective = launch(world, 0.0)
    rocket = objective.trained
    assert isinstance(rocket, RocketLaunch)
    light_alone = objective_of(StartingPoint(SMALL_DIEN, world.features), WITHOUT_AUXILIARY)
    light_alone.trained.load_state_dict(rocket.light.state_dict())

    table = "light.embedding.tables.item_id.weight"
    together, alone = gradients(objective, step)[table], gradients(light_alone, step)

    assert rocket.booster.embedding is rocket.light.embedding
    assert not any(name.startswith("booster.embedding") for name in rocket.state_dict())
    assert not torch.allclose(together, alone["embedding.tables.item_id.weight"])


def test_what_is_served_is_the_light_net(world: PlantedWorld) -> None:
    objective = launch(world, HINT_WEIGHT)

    plain = build_model(SMALL_DIEN, world.features.schema)
    assert objective.served.state_dict().keys() == plain.state_dict().keys()


def test_a_teacher_adds_the_hint_and_does_not_train(world: PlantedWorld, step: StepBatch) -> None:
    torch.manual_seed(1)
    teacher = build_model(BOOSTER, world.features.schema)
    guide = Teacher(teacher, HINT_WEIGHT)
    torch.manual_seed(0)
    objective = objective_of(
        StartingPoint(SMALL_DIEN, world.features, guide=guide), WITHOUT_AUXILIARY
    )
    objective.trained.train()

    losses = objective.losses(step)
    torch.autograd.backward(losses.click)

    taught_C = forward(teacher, step.batch)[1]
    hint = (losses.logits_C - taught_C).square() @ torch.from_numpy(step.weights_C)
    expected = cross_entropy(losses.logits_C, step) + HINT_WEIGHT * hint.item()
    assert losses.click.item() == pytest.approx(expected, rel=1e-5)
    assert all(weight.grad is None for weight in teacher.parameters())
    assert not teacher.training  # its Dice keeps to what it has learned


@pytest.fixture(scope="module")
def contrary_teacher(world: PlantedWorld) -> Model:
    torch.set_num_threads(1)  # before the fixture that does it for each test
    teacher = world.train(replace(QUICK, epochs=3), architecture=BOOSTER).model
    with torch.no_grad():  # noqa: TID251 - its weights are turned, nothing is served
        for weight in teacher.mlp.layers[2].parameters():
            weight.neg_()
    return teacher


@pytest.mark.parametrize(("hint_weight", "follows"), [(0.0, False), (10.0, True)])
def test_a_heavy_hint_makes_a_light_net_follow_even_a_contrary_teacher(
    world: PlantedWorld, contrary_teacher: Model, hint_weight: float, follows: bool
) -> None:
    parts = (world.split("train"), world.split("upside_down"))
    start = StartingPoint(SMALL_DIEN, world.features, guide=Teacher(contrary_teacher, hint_weight))

    trained = train_model(start, parts, replace(QUICK, epochs=3), Unwatched())

    test = world.splits["test"]
    assert (auc(predict(trained.model, test), test.labels_C) < 0.3) == follows


def test_a_launch_that_goes_on_from_a_checkpoint_ends_bit_equal(
    world: PlantedWorld, tmp_path: Path
) -> None:
    start = StartingPoint(SMALL_DIEN, world.features, guide=Booster(BOOSTER, HINT_WEIGHT))
    parts = (world.split("train"), world.split("valid"))
    one, two = (replace(QUICK, epochs=epochs) for epochs in (1, 2))
    whole = train_model(start, parts, two, Unwatched())
    checkpoints = Checkpoints(tmp_path, {})
    train_model(start, parts, one, Unwatched(), checkpoints=checkpoints)

    resumed = train_model(start, parts, two, Unwatched(), checkpoints=checkpoints)

    weights = whole.model.state_dict()
    assert len(resumed.epochs) == 2
    assert all(resumed.model.state_dict()[name].equal(weights[name]) for name in weights)
