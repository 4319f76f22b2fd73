"""The fused runtime serves wherever it can; where it cannot, it is said why."""

import pytest
import torch

from app.errors import StartupRefused
from app.inference.choice import choose_runtime
from tests.kernels.compiler import needs_compiler
from tests.models.builders import FULL_SCHEMA, make_model
from tests.models.configs import CONFIGS

pytestmark = needs_compiler

CPU = torch.device("cpu")


def choose(wanted, config):
    return choose_runtime(wanted, make_model(config), config, FULL_SCHEMA, CPU)


def test_a_dien_is_fused_on_the_cpu_and_names_its_instruction_set():
    runtime = choose("auto", CONFIGS["default"])

    assert runtime.name == "fused"
    assert runtime.detail in ("avx512", "avx2", "generic")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("dsin", "the fused kernel has no dsin"),
        ("augru_in_context", "the fused kernel has no self-attention"),
    ],
)
def test_what_the_kernel_lacks_is_left_to_the_reference_with_the_reason(config, reason):
    runtime = choose("auto", CONFIGS[config])

    assert (runtime.name, runtime.detail) == ("reference", reason)


def test_whoever_insists_on_the_fused_runtime_is_told_why_not():
    with pytest.raises(StartupRefused, match="CTR_RUNTIME=fused, but the fused kernel has no dsin"):
        choose("fused", CONFIGS["dsin"])


def test_the_reference_can_be_asked_for():
    runtime = choose("reference", CONFIGS["default"])

    assert (runtime.name, runtime.detail) == ("reference", None)
