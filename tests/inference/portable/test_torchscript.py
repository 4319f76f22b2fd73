"""A TorchScript archive gives the reference's scores, also where none of our code is."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from app.errors import ArtifactRefused
from app.inference.engine import Engine
from app.inference.portable.torchscript import TorchScriptRuntime, write_torchscript
from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from tests.inference.batches import LENGTHS, USERS, draw_batch, ragged
from tests.inference.fused.runtimes import shapes
from tests.inference.portable.portables import (
    PORTABLE_CONFIGS,
    assert_independent_of_company,
    assert_the_references,
    each_portable_config,
)
from tests.models.builders import FULL_SCHEMA, make_model

CPU = torch.device("cpu")

ELSEWHERE = """
import sys
import numpy
import torch

arrays = numpy.load(sys.argv[2])
module = torch.jit.load(sys.argv[1])
logits_C, _ = module(*(torch.from_numpy(arrays[name]) for name in arrays.files))
assert not [name for name in sys.modules if name.split(".")[0] == "app"]
print(*logits_C.tolist())
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    @cache
    def write(config):
        path = tmp_path_factory.mktemp("archive") / "torchscript.pt"
        write_torchscript(make_model(config), FULL_SCHEMA, path)
        return path

    return write


@pytest.fixture(scope="module")
def runtime(archive):
    return cache(lambda config: TorchScriptRuntime(archive(config)))


@each_portable_config
@given(shape=shapes())
@settings(deadline=None, max_examples=10)
def test_scores_are_the_references_in_any_shape(config, runtime, shape):
    lengths, users, _ = shape

    assert_the_references(runtime(config), config, [(lengths, users)])


@each_portable_config
def test_scores_are_the_references_where_nothing_is_asked_or_known(config, runtime):
    assert_the_references(runtime(config), config)


@pytest.mark.parametrize("name", ["default", "din", "dsin", "ensemble"])
def test_scores_do_not_depend_on_neighbors(name, runtime):
    assert_independent_of_company(runtime(PORTABLE_CONFIGS[name]))


@pytest.mark.parametrize("name", ["default", "ensemble"])
def test_it_runs_without_this_code(name, archive, tmp_path):
    config = PORTABLE_CONFIGS[name]
    batch = ragged(draw_batch(LENGTHS, USERS))
    path = archive(config)
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, *batch.arrays())

    told = subprocess.run(  # noqa: S603 - our own lines
        [sys.executable, "-W", "ignore", "-c", ELSEWHERE, str(path), str(inputs)],
        cwd=tmp_path,
        env={"PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    expected = Engine(make_model(config), CPU).score(batch)
    np.testing.assert_allclose(
        np.array(told.stdout.split(), float), expected.logits_C, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("max_behaviors", [1, 2, 3])
@pytest.mark.parametrize("architecture", [DienConfig, DinConfig])
def test_histories_may_be_shorter_than_the_example(architecture, max_behaviors, tmp_path):
    schema = FULL_SCHEMA.model_copy(update={"max_behaviors": max_behaviors})
    model = make_model(architecture(position_aware=True), schema)
    batch = ragged(draw_batch([max_behaviors, 0, 1], [0, 1, 2, 0]))
    path = tmp_path / "torchscript.pt"

    write_torchscript(model, schema, path)

    expected = Engine(model, CPU).score(batch).logits_C
    logits_C = TorchScriptRuntime(path).score(batch).logits_C
    np.testing.assert_allclose(logits_C, expected, rtol=1e-5, atol=1e-5)


def test_a_file_that_is_no_archive_is_refused_in_one_line(tmp_path):
    path = tmp_path / "torchscript.pt"
    path.write_bytes(b"not an archive")

    with pytest.raises(ArtifactRefused, match="is no TorchScript archive") as refused:
        TorchScriptRuntime(path)

    assert len(str(refused.value).splitlines()) == 1
