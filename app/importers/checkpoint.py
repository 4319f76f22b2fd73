"""What a checkpoint's folder holds: its configuration and its tensors. No code is unpickled."""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from app.errors import StartupRefused
from app.importers.state_dict import StateDict

CONFIG = "config.json"
STATE_DICT = "state_dict"

# What torch.load makes of a file that is damaged, or that would run code.
_UNREADABLE = (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, IndexError)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a folder."""

    folder: Path
    config: bytes
    state: StateDict
    sha256: str  # of the tensors' file


def read_checkpoint(folder: Path) -> Checkpoint:
    """Prefers safetensors. Raises StartupRefused for what is missing or cannot be read."""
    config = _read(folder / CONFIG)
    for suffix, parse in _PARSERS.items():
        path = folder / f"{STATE_DICT}{suffix}"
        if path.exists():
            content = _read(path)
            state = StateDict(str(path), parse(path, content))
            return Checkpoint(folder, config, state, hashlib.sha256(content).hexdigest())
    raise StartupRefused(f"{folder} has neither {' nor '.join(STATE_DICT + s for s in _PARSERS)}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartupRefused(f"{path}: {error.strerror}") from error


def _parse_safetensors(path: Path, content: bytes) -> Mapping[str, Tensor]:
    try:
        return load_safetensors(content)
    except (SafetensorError, KeyError) as error:  # KeyError: a type that torch does not have
        raise StartupRefused(f"{path} is not a safetensors file: {error}") from error


def _parse_pt(path: Path, content: bytes) -> Mapping[str, Tensor]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles that are refused anyway
            tensors = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise StartupRefused(
            f"{path} holds more than tensors, or is damaged: "
            "save model.state_dict() with torch.save or safetensors"
        ) from error
    if not isinstance(tensors, Mapping) or not all(map(_is_named_tensor, tensors.items())):
        raise StartupRefused(f"{path} is not a state dict: save model.state_dict()")
    return tensors


def _is_named_tensor(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


_PARSERS: Mapping[str, Callable[[Path, bytes], Mapping[str, Tensor]]] = {
    ".safetensors": _parse_safetensors,
    ".pt": _parse_pt,
}
