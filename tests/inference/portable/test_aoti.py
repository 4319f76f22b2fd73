"""A compiled package gives the reference's scores, from several threads too; or says why not."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings

from app.errors import ArtifactRefused, StartupRefused
from app.inference.portable.aoti import AotiRuntime, write_aoti
from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.ensemble.config import EnsembleConfig, EnsembleMember
from tests.inference.batches import draw_batch, ragged
from tests.inference.fused.runtimes import shapes
from tests.inference.portable.portables import (
    assert_independent_of_company,
    assert_the_references,
)
from tests.models.builders import FULL_SCHEMA, make_model
from tests.models.configs import DSIN_CONFIGS

CPU = torch.device("cpu")

needs_cpp = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="needs a C++ compiler"
)
# Compiling takes a while, so one package has everything that there is, and nothing of it twice.
MEMBERS = (
    (0.4, DienConfig(hidden_size=4, attention_units=(6,), mlp_units=(7,))),
    (
        0.35,
        DinConfig(
            field_groups=(("category_id", "item_id"),),
            attention="multi_head",
            attention_heads=2,
            self_attention_heads=2,
            position_aware=True,
            mlp_units=(7,),
        ),
    ),
    (0.25, DSIN_CONFIGS["dsin_of_few_sessions_without_softmax"]),
)
CONFIG = EnsembleConfig(
    members=tuple(EnsembleMember(weight=weight, architecture=config) for weight, config in MEMBERS)
)


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
