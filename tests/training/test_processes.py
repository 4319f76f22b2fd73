"""Two processes that torchrun starts train the model that one process trains."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from app.errors import StartupRefused
from app.models.layers.activation import BatchStatistics
from app.registry.model_store import ModelStore
from app.training.processes import Processes, joined_processes
from app.training.synchronized_statistics import SynchronizedStatistics, synchronize_statistics
from tests.cli.commands import ROOT
from tests.inference.cuda import needs_cuda
from tests.training.commands import QUICK_OPTIONS, train_planted
from tests.training.planted_world import PlantedWorld
from tests.training.shared_run import VARIANTS, scores

# The softmax of attention does not change with this one, so Adam makes steps out of rounding.
IDLE_BIAS = "interests.0.attention.kind.rest.layers.2.bias"
TIMEOUT_S = 180


def torchrun(*arguments: object) -> "subprocess.CompletedProcess[str]":
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
    ended = subprocess.run(  # noqa: S603 - this interpreter, with our own modules
        [sys.executable, *launcher, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.fixture(scope="module")
def by_two(world: PlantedWorld, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    target = tmp_path_factory.mktemp("scores") / "scores.json"
    torchrun("tests.training.shared_run", world.folder, target)
    answer: dict[str, list[float]] = json.loads(target.read_text())
    return answer


@pytest.fixture(scope="module")
def by_one(world: PlantedWorld) -> dict[str, list[float]]:
    return dict(scores(world, Processes()))


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_processes_learn_what_one_learns(
    by_one: dict[str, list[float]], by_two: dict[str, list[float]], variant: str
) -> None:
    np.testing.assert_allclose(by_two[variant], by_one[variant], rtol=1e-3, atol=1e-3)


def test_the_command_trains_and_publishes_one_version_under_torchrun(
    world: PlantedWorld, tmp_path: Path
) -> None:
    stores = {name: ModelStore(tmp_path / name) for name in ("one", "two")}
    one = train_planted(world.folder, stores["one"].root)
    files = (f"--samples={world.folder}", f"--store={stores['two'].root}", "--name=ads")

    ended = torchrun("app", "train", *files, *QUICK_OPTIONS, "--json")

    two = json.loads(ended.stdout)  # one object: only the first process prints
    assert ended.stderr.count("epoch 2: ") == 1
    assert two["metrics"]["test"]["auc"] == pytest.approx(one["metrics"]["test"]["auc"], abs=1e-3)
    assert stores["two"].active_versions() == {"ads": "1"}
    ours, theirs = (store.load("ads", "1").weights for store in stores.values())
    for name in set(ours) - {IDLE_BIAS}:
        torch.testing.assert_close(theirs[name], ours[name], rtol=0, atol=2e-3)


def test_without_torchrun_a_process_is_alone() -> None:
    with joined_processes("cpu") as processes:
        assert processes == Processes()


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(StartupRefused, match="--device=cuda:63, but"), joined_processes("cuda:63"):
        pass


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=needs_cuda)])
def group_of_one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[torch.device]:
    """A process that sends messages to itself, through gloo or NCCL."""
    device = torch.device(request.param)
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{tmp_path}/rendezvous",
        rank=0,
        world_size=1,
    )
    yield device
    dist.destroy_process_group()


def test_what_the_first_process_makes_and_all_gradients_arrive(group_of_one: torch.device) -> None:
    several = Processes(rank=0, count=2, device=group_of_one)
    model = nn.Linear(3, 2).to(group_of_one)
    model.weight.grad = torch.full_like(model.weight, 0.5)

    losses = several.add_gradients(model, [1.5, 2.0])

    assert losses == [1.5, 2.0]
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [[0.5] * 3] * 2
    assert model.bias.grad is not None
    assert model.bias.grad.tolist() == [0.0, 0.0]
    assert several.from_first(lambda: "Größe") == "Größe"


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 7])
def test_synchronized_statistics_of_one_process_are_torchs(
    group_of_one: torch.device, rows: int, affine: bool
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(BatchStatistics(3, eps=1e-8, momentum=0.01, affine=affine)).double()
    synchronized = nn.Sequential(BatchStatistics(3, eps=1e-8, momentum=0.01, affine=affine))
    model, synchronized = model.to(group_of_one), synchronized.to(group_of_one)
    synchronize_statistics(synchronized)
    x_RH, weights_RH = torch.randn(2, rows, 3, device=group_of_one)
    own_RH, others_RH = x_RH.clone().requires_grad_(), x_RH.double().requires_grad_()

    ours = synchronized(own_RH)
    torchs = model(others_RH)
    (ours * weights_RH).sum().backward()
    (torchs * weights_RH).sum().backward()

    assert isinstance(synchronized[0], SynchronizedStatistics)
    torch.testing.assert_close(ours, torchs.float())
    torch.testing.assert_close(own_RH.grad, others_RH.grad.float(), rtol=1e-4, atol=1e-5)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(synchronized.state_dict()[name].double(), value.double())


def test_in_evaluation_they_are_the_running_ones(group_of_one: torch.device) -> None:
    model = nn.Sequential(BatchStatistics(2)).to(group_of_one)
    synchronize_statistics(model)
    model(torch.tensor([[1.0, 2.0], [3.0, 7.0]], device=group_of_one))
    x_RH = torch.tensor([[5.0, 6.0]], device=group_of_one)

    scored = model.eval()(x_RH)

    means, variances = torch.tensor([[0.2, 0.45], [1.1, 2.15]], device=group_of_one)
    torch.testing.assert_close(scored, (x_RH - means) / (variances + 1e-5).sqrt())
