"""The Triton kernel without a GPU: in a process of its own, where Triton interprets it."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.models.layers.one_launch import walk_in_one_launch
from tests.models.recurrences import Layer, spans_of

needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="needs Triton, which is not to be had for every platform"
)

Floats = NDArray[np.float32]


@contextmanager
def interpreter() -> Iterator[Executor]:
    """One process: what is interpreted in this one could not be compiled here later."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_interpret) as executor:
        yield executor


def _interpret() -> None:
    os.environ["TRITON_INTERPRET"] = "1"


def all_states(layer: Layer, inputs_NI: Floats, lengths: list[int]) -> Floats:
    cell, users = layer.cell(), list(range(len(lengths)))
    with torch.inference_mode():
        projected_NG = cell.project(torch.from_numpy(inputs_NI))
        spans = spans_of(lengths, users)
        return walk_in_one_launch(cell, projected_NG, spans, layer.rule().write).numpy()


def last_states(
    layer: Layer,
    inputs_NI: Floats,
    lengths: list[int],
    user_of_R: list[int],
    attention_RT: Floats,
) -> Floats:
    cell, rule = layer.cell(), layer.rule()
    project = cell.project_without_bias if rule.scales_inputs else cell.project
    with torch.inference_mode():
        return walk_in_one_launch(
            cell,
            project(torch.from_numpy(inputs_NI)),
            spans_of(lengths, user_of_R),
            rule.write,
            torch.from_numpy(attention_RT),
            scales_inputs=rule.scales_inputs,
        ).numpy()
