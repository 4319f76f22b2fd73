"""Pruned nets say what the whole ones said, as far as the lost units had said nothing."""

import pytest
import torch
from torch import Tensor

from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.models.dsin.config import DsinConfig
from app.models.ensemble.config import SingleArchitecture
from app.models.factory import build_model
from app.models.interest_model import InterestModel
from app.training.pruning.units import attention_nets, hidden_units, last_mlp, prune_units
from tests.models.builders import (
    FULL_SCHEMA,
    batch_of,
    draw_candidates,
    draw_users,
    make_model,
    score,
)

HALF = 0.5

CONFIGS = {
    "dice": DienConfig(hidden_size=4, attention_units=(6, 3), mlp_units=(8, 5)),
    "prelu_and_affine_dice": DinConfig(
        attention_units=(6, 4),
        attention_activation="affine_dice",
        mlp_units=(7, 5),
        mlp_activation="prelu",
    ),
    "two_groups": DinConfig(
        field_groups=(("item_id",), ("category_id",)),
        attention_units=(6,),
        attention_activation="prelu",
        mlp_units=(8,),
        mlp_activation="sigmoid",
    ),
    "two_attentions": DsinConfig(
        attention="mlp",
        query_projection=True,
        session_heads=1,
        hidden_size=3,
        attention_units=(4, 4),
        mlp_units=(6,),
        mlp_activation="affine_dice",
    ),
}
each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def silence(weights: dict[str, Tensor], name: str, share: float) -> None:
    """Nobody listens any longer to this share of the units that a linear layer reads."""
    units = weights[name].shape[1]
    weights[name][:, torch.randperm(units)[: round(share * units)]] = 0


def linear_names(stack) -> list[str]:
    return [name for name, layer in stack if isinstance(layer, torch.nn.Linear)]


def scores(model: InterestModel) -> tuple[Tensor, Tensor]:
    batch = batch_of(draw_users([3, 0, 5]), draw_candidates([2, 0, 1, 2, 0]))
    with torch.inference_mode():
        return score(model, batch)


def pruned(model: InterestModel, config: SingleArchitecture, share: float) -> InterestModel:
    weights, mlp, nets = model.state_dict(), last_mlp(model), attention_nets(model)
    for stack in (mlp, *nets):
        weights = prune_units(weights, stack, share)
    units = {"mlp_units": hidden_units(weights, mlp)}
    if nets:
        units["attention_units"] = hidden_units(weights, nets[-1])
    smaller = build_model(config.model_copy(update=units), FULL_SCHEMA).eval()
    smaller.load_state_dict(weights)
    return smaller


@each_config
def test_pruning_nothing_changes_nothing(config: SingleArchitecture) -> None:
    model = make_model(config)

    same = pruned(model, config, 0.0)

    before, after = model.state_dict(), same.state_dict()
    assert before.keys() == after.keys()
    assert all(before[name].equal(after[name]) for name in before)


@each_config
def test_units_that_nobody_listens_to_leave_without_a_trace(config: SingleArchitecture) -> None:
    model = make_model(config)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for stack in (last_mlp(model), *attention_nets(model)):
        for name in linear_names(stack)[1:]:
            silence(weights, f"{name}.weight", HALF)
    model.load_state_dict(weights)

    smaller = pruned(model, config, HALF)

    kept = tuple(units - round(HALF * units) for units in config.mlp_units)
    assert hidden_units(smaller.state_dict(), last_mlp(smaller)) == kept
    for whole, left in zip(scores(model), scores(smaller), strict=True):
        torch.testing.assert_close(left, whole, rtol=0, atol=1e-6)


def test_the_smallest_product_of_incoming_and_outgoing_weights_goes_first() -> None:
    config = DinConfig(mlp_units=(3,), mlp_activation="relu", attention="dot")
    model = build_model(config, FULL_SCHEMA)
    weights, mlp = model.state_dict(), last_mlp(model)
    incoming, outgoing = torch.tensor([1.0, 10.0, 2.0]), torch.tensor([3.0, 0.1, -2.0])
    weights["mlp.layers.0.weight"][:] = 0
    weights["mlp.layers.0.weight"][:, 0] = incoming
    weights["mlp.layers.0.bias"][:] = 0
    weights["mlp.layers.2.weight"][0] = outgoing  # products 3, 1 and 4

    two = prune_units(weights, mlp, 1 / 3)
    one = prune_units(weights, mlp, 2 / 3)

    assert two["mlp.layers.2.weight"].tolist() == [[3.0, -2.0]]
    assert two["mlp.layers.0.weight"][:, 0].tolist() == [1.0, 2.0]
    assert one["mlp.layers.2.weight"].tolist() == [[-2.0]]


def test_a_bias_makes_a_unit_matter() -> None:
    config = DinConfig(mlp_units=(2,), attention="dot")
    model = build_model(config, FULL_SCHEMA)
    weights = model.state_dict()
    weights["mlp.layers.0.weight"][:] = 0.01
    weights["mlp.layers.0.bias"][:] = torch.tensor([0.0, 5.0])
    weights["mlp.layers.2.weight"][:] = 1.0

    smaller = prune_units(weights, last_mlp(model), 0.5)

    assert smaller["mlp.layers.0.bias"].tolist() == [5.0]


def test_one_unit_always_stays() -> None:
    config = DinConfig(mlp_units=(5, 4), attention="dot")
    model = make_model(config)

    weights = prune_units(model.state_dict(), last_mlp(model), 0.99)

    assert hidden_units(weights, last_mlp(model)) == (1, 1)


def test_a_net_without_hidden_layers_has_nothing_to_lose() -> None:
    model = make_model(DinConfig(mlp_units=(), attention="dot"))

    weights = prune_units(model.state_dict(), last_mlp(model), 0.5)

    assert hidden_units(weights, last_mlp(model)) == ()
    assert attention_nets(model) == []
    assert all(weights[name].equal(tensor) for name, tensor in model.state_dict().items())
