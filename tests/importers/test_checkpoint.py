"""A folder is read without running what is in it."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from app.errors import StartupRefused
from app.importers.checkpoint import read_checkpoint
from tests.importers.checkpoints import deepctr_din


class Payload:
    """Unpickling this would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self._mark,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return deepctr_din().write(tmp_path / "checkpoint")


def only_pt(folder: Path) -> Path:
    (folder / "state_dict.safetensors").unlink()
    return folder / "state_dict.pt"


def refusal(folder: Path) -> str:
    with pytest.raises(StartupRefused) as refused:
        read_checkpoint(folder)
    message = str(refused.value)
    assert len(message.splitlines()) == 1
    return message


def test_tensors_saved_by_torch_are_read_too(folder: Path) -> None:
    torch.save(deepctr_din().tensors, only_pt(folder))

    state = read_checkpoint(folder).state

    assert state.take("out.bias", 1) == deepctr_din().tensors["out.bias"].double()


def test_safetensors_are_preferred(folder: Path) -> None:
    (folder / "state_dict.pt").write_bytes(b"not looked at")

    assert read_checkpoint(folder).state.file.endswith("state_dict.safetensors")


def save_pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("save", [torch.save, save_pickle])
def test_code_in_a_checkpoint_is_never_run(
    folder: Path, tmp_path: Path, save: Callable[[object, Path], None]
) -> None:
    mark = tmp_path / "mark"
    save({"weight": Payload(mark)}, only_pt(folder))

    message = refusal(folder)

    assert "state_dict.pt" in message
    assert not mark.exists()


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.ones(1)], {1: torch.ones(1)}])
def test_what_is_not_a_state_dict_is_refused(folder: Path, content: object) -> None:
    torch.save(content, only_pt(folder))

    assert "not a state dict" in refusal(folder)


def test_damaged_tensors_are_refused(folder: Path) -> None:
    (folder / "state_dict.safetensors").write_bytes(b"garbage")

    assert "state_dict.safetensors" in refusal(folder)


def test_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    assert "config.json" in refusal(tmp_path)

    (tmp_path / "config.json").write_text(json.dumps({}))

    assert "state_dict.safetensors" in refusal(tmp_path)
