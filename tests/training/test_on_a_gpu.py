"""What is trained on a GPU: as on the CPU but for rounding, and every time the same."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from app.registry.loaded_version import load_version
from app.registry.model_store import ModelStore
from app.training.checkpoints import Checkpoints
from app.training.options import Precision, TrainerOptions
from app.training.processes import Processes, joined_processes
from tests.inference.cuda import needs_cuda
from tests.training.builders import QUICK
from tests.training.commands import ctr_serve, train_planted
from tests.training.planted_world import PlantedWorld
from tests.training.shared_run import VARIANTS, scores
from tests.training.test_precision import ARCHITECTURES

pytestmark = needs_cuda

ONE_EPOCH, TWO_EPOCHS = replace(QUICK, epochs=1), replace(QUICK, epochs=2)
BOOSTER = ("--booster-hidden-size=16", "--booster-mlp-units=40,20")


@pytest.fixture(scope="module")
def gpu() -> Iterator[Processes]:
    with joined_processes("cuda") as processes:
        yield processes


def in_precision(options: TrainerOptions, precision: Precision) -> TrainerOptions:
    return replace(options, optimizer=replace(options.optimizer, precision=precision))


@pytest.fixture(scope="module")
def on_the_cpu(world: PlantedWorld) -> dict[str, list[float]]:
    return dict(scores(world, Processes()))


@pytest.fixture(scope="module")
def on_the_gpu(world: PlantedWorld, gpu: Processes) -> dict[str, list[float]]:
    return dict(scores(world, gpu))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_gpu_learns_what_the_cpu_learns(
    on_the_cpu: dict[str, list[float]], on_the_gpu: dict[str, list[float]], variant: str
) -> None:
    np.testing.assert_allclose(on_the_gpu[variant], on_the_cpu[variant], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_equal_seeds_give_equal_weights(
    world: PlantedWorld, gpu: Processes, name: str, precision: Precision
) -> None:
    options = in_precision(ONE_EPOCH, precision)

    first, second = (
        world.train(options, architecture=ARCHITECTURES[name], processes=gpu).model.state_dict()
        for _ in range(2)
    )

    assert all(torch.equal(first[name], second[name]) for name in first)


def test_half_precision_is_used(world: PlantedWorld, gpu: Processes) -> None:
    single, half = (
        world.train(in_precision(ONE_EPOCH, precision), processes=gpu).epochs[0].loss
        for precision in ("float32", "bfloat16")
    )

    assert half != single
    assert half == pytest.approx(single, rel=0.05)


def test_a_run_that_goes_on_ends_bit_equal(
    world: PlantedWorld, gpu: Processes, tmp_path: Path
) -> None:
    uninterrupted = world.train(TWO_EPOCHS, processes=gpu).model.state_dict()
    world.train(ONE_EPOCH, checkpoints=Checkpoints(tmp_path, {}), processes=gpu)

    resumed = world.train(TWO_EPOCHS, checkpoints=Checkpoints(tmp_path, {}), processes=gpu)

    weights = resumed.model.state_dict()
    assert all(torch.equal(weights[name], uninterrupted[name]) for name in weights)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    "options",
    [(), ("--precision=bfloat16", "--embedding-dropout=0.1", "--focal-gamma=1"), BOOSTER],
    ids=["by default", "with noise", "beside a booster"],
)
def test_the_command_publishes_what_a_gpu_serves(
    world: PlantedWorld, tmp_path: Path, options: tuple[str, ...]
) -> None:
    train_planted(world.folder, tmp_path, "--device=cuda", *options)

    version = load_version(ModelStore(tmp_path).load("ads", "1"), torch.device("cuda:0"))

    assert version.runtime.device.type == "cuda"  # and its golden requests were met there


@pytest.mark.usefixtures("gpu")
def test_a_teacher_teaches_on_a_gpu(world: PlantedWorld, tmp_path: Path) -> None:
    train_planted(world.folder, tmp_path)
    files = (f"--samples={world.folder}", f"--store={tmp_path}", "--name=light")

    ctr_serve("train", *files, "--epochs=1", "--mlp-units=12,6", "--teacher=ads", "--device=cuda")

    assert ModelStore(tmp_path).active_versions() == {"ads": "1", "light": "1"}
