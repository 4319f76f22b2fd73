"""A compiled package gives the reference's scores, from several threads too; or says why not."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from app.errors import ArtifactRefused, StartupRefused
from app.inference.engine import Engine
from app.inference.portable.aoti import AotiRuntime, write_aoti
from app.models.dsin.config import DsinConfig
from tests.inference.batches import draw_batch, ragged
from tests.inference.fused.runtimes import shapes
from tests.inference.portable.portables import (
    PORTABLE_CONFIGS,
    assert_independent_of_company,
    assert_the_references,
)
from tests.models.builders import FULL_SCHEMA, make_model

CPU = torch.device("cpu")

needs_cpp = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="needs a C++ compiler"
)
# Compiling takes a while, so one package tells of everything that there is.
CONFIG = PORTABLE_CONFIGS["ensemble"]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "aoti-cpu.pt2"
    model = make_model(CONFIG).requires_grad_(requires_grad=False)
    write_aoti(model, FULL_SCHEMA, CPU, path)
    return AotiRuntime(path, model, CPU, at_a_time=2)


@needs_cpp
@pytest.mark.slow
@given(shape=shapes())
@settings(deadline=None)
def test_scores_are_the_references_in_any_shape(runtime, shape):
    lengths, users, _ = shape

    assert_the_references(runtime, CONFIG, [(lengths, users)])


@needs_cpp
@pytest.mark.slow
def test_scores_are_the_references_where_nothing_is_asked_or_known(runtime):
    assert_the_references(runtime, CONFIG)


@needs_cpp
@pytest.mark.slow
def test_scores_do_not_depend_on_neighbors(runtime):
    assert_independent_of_company(runtime)


@needs_cpp
@pytest.mark.slow
def test_threads_do_not_mix_up_their_batches(runtime):
    batches = [ragged(draw_batch([9, 4], [0, 1, 1] * 7, seed=seed)) for seed in range(40)]
    expected = [runtime.score(batch).logits_C.tolist() for batch in batches]

    with ThreadPoolExecutor(4) as threads:
        scores = list(threads.map(runtime.score, batches))

    assert [score.logits_C.tolist() for score in scores] == expected


@needs_cpp
@pytest.mark.slow
def test_histories_may_be_shorter_than_the_example(tmp_path):
    config = DsinConfig(session_heads=1, position_aware=True)
    schema = FULL_SCHEMA.model_copy(update={"max_behaviors": 2})
    model = make_model(config, schema).requires_grad_(requires_grad=False)
    batch = ragged(draw_batch([2, 0, 1], [0, 1, 2, 0]))
    path = tmp_path / "aoti-cpu.pt2"

    write_aoti(model, schema, CPU, path)

    logits_C = AotiRuntime(path, model, CPU, at_a_time=1).score(batch).logits_C
    np.testing.assert_allclose(logits_C, Engine(model, CPU).score(batch).logits_C, atol=1e-5)


def test_without_a_compiler_it_is_refused_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")

    with pytest.raises(StartupRefused, match=r"aoti needs a C\+\+ compiler and there is none"):
        write_aoti(make_model(CONFIG), FULL_SCHEMA, CPU, tmp_path / "aoti-cpu.pt2")


def test_a_file_that_is_no_package_is_refused_in_one_line(tmp_path):
    path = tmp_path / "aoti-cpu.pt2"
    path.write_bytes(b"not a package")

    with pytest.raises(ArtifactRefused, match="is no AOTInductor package") as refused:
        AotiRuntime(path, make_model(CONFIG), CPU, at_a_time=1)

    assert len(str(refused.value).splitlines()) == 1
