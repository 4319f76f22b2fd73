"""A killed run goes on to the weights that it would have had; another run cannot."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import StartupRefused
from app.registry.manifest import Manifest
from app.training.checkpoints import Checkpoints
from app.training.progress import Unwatched
from app.training.run import TrainingRun
from tests.cli.commands import ROOT
from tests.training.builders import QUICK, planted_folder
from tests.training.mortal_run import run
from tests.training.planted_world import PlantedWorld

TWO_EPOCHS = replace(QUICK, epochs=2)
THIS_RUN = {"learning_rate": 0.01, "sha256 of train.tsv": "ab"}


class Diary(Unwatched):
    """Which epochs were there already, and which were run."""

    def __init__(self) -> None:
        self.resumed_after: list[int] = []
        self.started: list[int] = []

    def resumed(self, epochs: int) -> None:
        self.resumed_after.append(epochs)

    def epoch_started(self, epoch: int, rows: int) -> None:
        self.started.append(epoch)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("samples"), users=100)


@pytest.fixture(scope="module")
def uninterrupted(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    return run(samples, tmp_path_factory.mktemp("store"), None, Unwatched())


@pytest.fixture(scope="module")
def killed(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints that a process left which was killed in epoch 2 of 3."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.training.mortal_run"]
    ended = subprocess.run(  # noqa: S603 - this interpreter, with our own module
        [*command, str(samples), str(folder / "store"), str(folder / "checkpoints")],
        cwd=ROOT,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert not (folder / "store" / "ads").exists()
    return folder / "checkpoints"


def weights_of(manifest: Manifest) -> str:
    return manifest.files["weights.safetensors"].sha256


def test_a_killed_run_goes_on_and_ends_bit_equal(
    samples: Path, uninterrupted: TrainingRun, killed: Path, tmp_path: Path
) -> None:
    diary = Diary()

    resumed = run(samples, tmp_path, killed, diary)

    assert (diary.resumed_after, diary.started) == ([1], [2, 3])
    assert weights_of(resumed.manifest) == weights_of(uninterrupted.manifest)
    assert [replace(epoch, seconds=0) for epoch in resumed.epochs] == [
        replace(epoch, seconds=0) for epoch in uninterrupted.epochs
    ]


def test_a_finished_run_trains_nothing_more(world: PlantedWorld, tmp_path: Path) -> None:
    checkpoints, diary = Checkpoints(tmp_path, THIS_RUN), Diary()
    first = world.train(TWO_EPOCHS, checkpoints=checkpoints)

    again = world.train(TWO_EPOCHS, checkpoints=checkpoints, watcher=diary)

    assert (diary.resumed_after, diary.started) == ([2], [])
    assert again.epochs == first.epochs
    weights = first.model.state_dict()
    assert all(again.model.state_dict()[name].equal(weights[name]) for name in weights)


def test_a_run_stays_stopped_early(world: PlantedWorld, tmp_path: Path) -> None:
    checkpoints, diary = Checkpoints(tmp_path, THIS_RUN), Diary()
    impatient = replace(QUICK, epochs=9, patience=1)
    first = world.train(impatient, valid="upside_down", checkpoints=checkpoints)

    world.train(impatient, valid="upside_down", checkpoints=checkpoints, watcher=diary)

    assert len(first.epochs) < 9
    assert diary.started == []


def test_only_the_newest_checkpoint_is_kept(world: PlantedWorld, tmp_path: Path) -> None:
    (tmp_path / "0123456789abcdef.safetensors").write_bytes(b"of a run that was killed here")

    world.train(TWO_EPOCHS, checkpoints=Checkpoints(tmp_path, THIS_RUN))

    assert len(list(tmp_path.iterdir())) == 2
    newest = Checkpoints(tmp_path, THIS_RUN).newest()
    assert newest is not None
    assert len(newest.reports) == 2


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({**THIS_RUN, "learning_rate": 0.02}, "learning_rate is 0.01 and not 0.02"),
        ({**THIS_RUN, "sha256 of train.tsv": "cd"}, "sha256 of train.tsv is ab and not cd"),
        ({**THIS_RUN, "limit_rows": 5}, "limit_rows is None and not 5"),
    ],
    ids=["option", "samples", "further option"],
)
def test_the_checkpoint_of_another_run_is_refused(
    world: PlantedWorld, tmp_path: Path, other: dict[str, str | float], difference: str
) -> None:
    world.train(replace(QUICK, epochs=1), checkpoints=Checkpoints(tmp_path, THIS_RUN))

    with pytest.raises(StartupRefused, match=difference):
        Checkpoints(tmp_path, other).newest()


def test_damaged_tensors_are_refused(world: PlantedWorld, tmp_path: Path) -> None:
    world.train(replace(QUICK, epochs=1), checkpoints=Checkpoints(tmp_path, THIS_RUN))
    (tensors,) = tmp_path.glob("*.safetensors")
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)

    with pytest.raises(StartupRefused, match="damaged, its tensors have another sha256"):
        Checkpoints(tmp_path, THIS_RUN).newest()


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"schema_version": 2}'])
def test_a_damaged_record_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.json").write_bytes(content)

    with pytest.raises(StartupRefused, match=r"damaged, checkpoint\.json is no checkpoint"):
        Checkpoints(tmp_path, THIS_RUN).newest()


def test_tensors_that_are_gone_are_refused(world: PlantedWorld, tmp_path: Path) -> None:
    world.train(replace(QUICK, epochs=1), checkpoints=Checkpoints(tmp_path, THIS_RUN))
    next(tmp_path.glob("*.safetensors")).unlink()

    with pytest.raises(StartupRefused, match="damaged, its tensors cannot be read"):
        Checkpoints(tmp_path, THIS_RUN).newest()


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "new", THIS_RUN).newest() is None


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StartupRefused, match="file cannot be a folder"):
        Checkpoints(tmp_path / "file", THIS_RUN)
