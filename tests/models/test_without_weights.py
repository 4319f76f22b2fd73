"""A model without weights has all of their shapes, and what draws weights is not even imported."""

import subprocess
import sys

import torch

from app.models.factory import build_model
from app.models.without_weights import without_weights
from tests.cli.commands import ROOT
from tests.models.builders import FULL_SCHEMA
from tests.models.configs import each_config

BUILDING = """
import sys
from app.models.factory import build_model
from app.models.without_weights import without_weights
from tests.models.builders import FULL_SCHEMA
from tests.models.configs import CONFIGS

with without_weights():
    for config in CONFIGS.values():
        build_model(config, FULL_SCHEMA)
print("torch._dynamo" in sys.modules)
"""


@each_config
def test_it_has_the_shapes_of_the_model_and_none_of_its_memory(config):
    model = build_model(config, FULL_SCHEMA)

    with without_weights():
        empty = build_model(config, FULL_SCHEMA)

    shapes = {name: (value.shape, value.dtype) for name, value in model.state_dict().items()}
    assert {
        name: (value.shape, value.dtype) for name, value in empty.state_dict().items()
    } == shapes
    assert {value.device.type for value in empty.state_dict().values()} == {"meta"}


def test_drawing_goes_on_afterwards():
    with without_weights():
        pass

    assert torch.nn.init.normal_(torch.zeros(9)).abs().min() > 0


def test_torch_leaves_its_compiler_out():
    told = subprocess.run(  # noqa: S603 - our own lines
        [sys.executable, "-c", BUILDING], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert told.stdout == "False\n"
