"""A TorchScript archive gives the reference's scores, also where none of our code is."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from app.errors import ArtifactRefused
from app.inference.engine import Engine
from app.inference.portable.torchscript import TorchScriptRuntime, write_torchscript
from tests.inference.batches import LENGTHS, USERS, draw_batch, ragged
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


@pytest.fixture
def archive(tmp_path):
    def write(config):
        path = tmp_path / "torchscript.pt"
        write_torchscript(make_model(config), config, FULL_SCHEMA, path)
        return path

    return write


@each_portable_config
def test_scores_are_the_references(config, archive):
    assert_the_references(TorchScriptRuntime(archive(config)), config)


@pytest.mark.parametrize("name", ["default", "din"])
def test_scores_do_not_depend_on_neighbors(name, archive):
    assert_independent_of_company(TorchScriptRuntime(archive(PORTABLE_CONFIGS[name])))


def test_it_runs_without_this_code(archive, tmp_path):
    config = PORTABLE_CONFIGS["default"]
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


def test_a_file_that_is_no_archive_is_refused_in_one_line(tmp_path):
    path = tmp_path / "torchscript.pt"
    path.write_bytes(b"not an archive")

    with pytest.raises(ArtifactRefused, match="is no TorchScript archive") as refused:
        TorchScriptRuntime(path)

    assert len(str(refused.value).splitlines()) == 1
