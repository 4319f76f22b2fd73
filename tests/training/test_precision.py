"""bfloat16 products train every architecture; what adds up many small terms stays float32."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.models.factory import Architecture
from app.models.layers.attention import softmax_over_behaviors
from app.models.layers.gated_cell import GatedCell
from app.models.layers.ragged import RaggedPairs
from app.models.layers.recurrence import run_over_behaviors
from app.training.prediction import predict
from tests.training.builders import QUICK, SMALL_DIEN
from tests.training.planted_world import PlantedWorld

ARCHITECTURES: dict[str, Architecture] = {
    "dien": SMALL_DIEN,
    "dien in context": SMALL_DIEN.model_copy(
        update={"self_attention_heads": 2, "position_aware": True, "evolution": "aigru"}
    ),
    "din": DinConfig(attention_units=(8,), mlp_units=(16,)),
    "dsin": DsinConfig(hidden_size=4, mlp_units=(16,)),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_half_precision_learns_nearly_the_same(world: PlantedWorld, name: str) -> None:
    single = replace(QUICK, epochs=1)
    half = replace(single, optimizer=replace(single.optimizer, precision="bfloat16"))

    models = [
        world.train(options, architecture=ARCHITECTURES[name]).model for options in (single, half)
    ]

    in_single_C, in_half_C = (predict(model, world.splits["valid"]) for model in models)
    assert (in_single_C != in_half_C).any()
    np.testing.assert_allclose(in_half_C, in_single_C, atol=0.25)
    assert {weight.dtype for weight in models[1].parameters()} == {torch.float32}


def test_the_states_of_a_recurrence_stay_single() -> None:
    cell = GatedCell(4, 4, "after")

    with torch.autocast("cpu", dtype=torch.bfloat16):
        states_NH = run_over_behaviors(cell, torch.randn(5, 4), torch.tensor([3, 2]))

    assert states_NH.dtype == torch.float32


def test_attention_sums_to_one_in_single_precision() -> None:
    pairs = RaggedPairs.of(torch.tensor([300]), torch.tensor([0]))

    attention_CT = softmax_over_behaviors(torch.randn(300, 1, dtype=torch.bfloat16), pairs)

    assert attention_CT.dtype == torch.float32
    assert attention_CT.sum().item() == pytest.approx(1, abs=1e-5)
