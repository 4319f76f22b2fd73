"""Recurrences, norms, activations and columns of the libraries mean the same under our names."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from app.importers import activations
from app.importers.columns import Part, Span, columns_by_part, positions, width_of
from app.importers.gates import GateRows, Recurrence, as_they_are, reset_first, written_from_kept
from app.importers.state_dict import StateDict
from app.importers.tower import Linear
from app.models.layers.activation import make_activation
from app.models.layers.gated_cell import GatedCell
from app.models.layers.recurrence import run_over_behaviors
from app.models.layers.write_rules import write_augru_paper

INPUTS, HIDDEN = 3, 4
few_seeds = pytest.mark.parametrize("seed", range(5))


def cell_of(recurrence: Recurrence, rows: GateRows) -> GatedCell:
    cell = GatedCell(recurrence.input_weight_GI.shape[1], HIDDEN, "after").double()
    tensors = recurrence.as_cell("cell", rows)
    cell.load_state_dict({name.removeprefix("cell."): tensor for name, tensor in tensors.items()})
    return cell


def draw_recurrence(seed: int) -> Recurrence:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((3 * HIDDEN, INPUTS), (3 * HIDDEN, HIDDEN), (3 * HIDDEN,), (3 * HIDDEN,))
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return Recurrence(*drawn)


@few_seeds
def test_a_torch_gru_keeps_what_our_cell_does_not_write(seed: int) -> None:
    torch.manual_seed(seed)
    gru = nn.GRU(INPUTS, HIDDEN).double()
    inputs_NI = torch.randn(5, INPUTS, dtype=torch.float64)
    recurrence = Recurrence(
        gru.weight_ih_l0.data, gru.weight_hh_l0.data, gru.bias_ih_l0.data, gru.bias_hh_l0.data
    )

    states_NH = run_over_behaviors(
        cell_of(recurrence, written_from_kept), inputs_NI, torch.tensor([5])
    )

    torch.testing.assert_close(states_NH, gru(inputs_NI)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("rows", "order"), [(as_they_are, "run"), (reset_first, "urn")], ids=["r-u-n", "u-r-n"]
)
@few_seeds
def test_an_attentional_cell_writes_in_the_order_of_its_library(
    rows: GateRows, order: str, seed: int
) -> None:
    recurrence = draw_recurrence(seed)
    torch.manual_seed(seed)
    x_1I, state_1H = (torch.randn(1, width, dtype=torch.float64) for width in (INPUTS, HIDDEN))
    attention_11 = torch.tensor([[0.3]], dtype=torch.float64)
    cell = cell_of(recurrence, rows)

    next_1H = cell.step(cell.project(x_1I), state_1H, attention_11, write_augru_paper)

    from_x = x_1I[0] @ recurrence.input_weight_GI.T + recurrence.input_bias_G
    from_h = state_1H[0] @ recurrence.hidden_weight_GH.T + recurrence.hidden_bias_G
    x = dict(zip(order, from_x.chunk(3), strict=True))
    h = dict(zip(order, from_h.chunk(3), strict=True))
    write = 0.3 * torch.sigmoid(x["u"] + h["u"])
    new = torch.tanh(x["n"] + torch.sigmoid(x["r"] + h["r"]) * h["n"])
    expected = (1 - write) * state_1H[0] + write * new
    torch.testing.assert_close(next_1H[0], expected, rtol=0, atol=1e-12)


@few_seeds
def test_inputs_in_another_order_go_to_the_same_weights(seed: int) -> None:
    recurrence = draw_recurrence(seed)
    x_I = torch.randn(INPUTS, dtype=torch.float64)
    order = [2, 0, 1]

    moved = recurrence.with_inputs(order).input_weight_GI @ x_I[order]

    torch.testing.assert_close(moved, recurrence.input_weight_GI @ x_I)


@few_seeds
def test_a_batch_norm_disappears_in_the_layer_before_it(seed: int) -> None:
    torch.manual_seed(seed)
    linear, norm = nn.Linear(INPUTS, HIDDEN).double(), nn.BatchNorm1d(HIDDEN).double().eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.copy_(torch.randn(HIDDEN))
    norm.running_var.copy_(torch.rand(HIDDEN) ** 4)
    x_RI = torch.randn(6, INPUTS, dtype=torch.float64)

    folded = Linear(linear.weight.data, linear.bias.data).normalized(
        norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var
    )

    ours = x_RI @ folded.weight_OI.T + folded.bias_O
    torch.testing.assert_close(ours, norm(linear(x_RI)).detach(), rtol=1e-9, atol=1e-9)


def state_of(**tensors: Tensor) -> StateDict:
    return StateDict("file", {f"layer.{name}": tensor for name, tensor in tensors.items()})


@pytest.mark.parametrize("variance", [0.0, 1e-9, 1e-6, 1.0])
def test_dice_of_fuxictr_has_its_own_epsilon(variance: float) -> None:
    x_RH = torch.randn(5, 2, dtype=torch.float64) * 1e-4
    tensors = {
        "bn.running_mean": torch.zeros(2, dtype=torch.float64),
        "bn.running_var": torch.full((2,), variance, dtype=torch.float64),
        "alpha": torch.tensor([0.3, -0.2], dtype=torch.float64),
    }
    activation = make_activation("dice", 2).double().eval()

    activation.load_state_dict(activations.dice(state_of(**tensors), "layer", 2))

    p = torch.sigmoid(x_RH / np.sqrt(variance + 1e-9))
    expected = p * x_RH + tensors["alpha"] * (1 - p) * x_RH
    torch.testing.assert_close(activation(x_RH).detach(), expected, rtol=1e-9, atol=0)


def test_dice_of_deepctr_scales_and_shifts_what_it_standardizes() -> None:
    norm = nn.BatchNorm1d(2, eps=1e-8).double().eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.copy_(torch.randn(2))
    norm.running_var.copy_(torch.tensor([0.01, 3.0]))
    alpha = torch.tensor([[0.3], [-0.2]], dtype=torch.float64)
    tensors = {f"bn.{name}": tensor for name, tensor in norm.state_dict().items()}
    activation = make_activation("affine_dice", 2).double().eval()
    x_RH = torch.randn(5, 2, dtype=torch.float64)

    state = state_of(alpha=alpha, **tensors)
    activation.load_state_dict(activations.affine_dice(state, "layer", 2))

    state.check_all_used()
    p = torch.sigmoid(norm(x_RH))
    expected = p * x_RH + alpha[:, 0] * (1 - p) * x_RH
    torch.testing.assert_close(activation(x_RH).detach(), expected.detach())


def test_one_slope_becomes_one_for_each_unit() -> None:
    tensors = activations.one_slope(state_of(weight=torch.tensor([0.2])), "layer", 3)

    assert tensors["weight"].tolist() == pytest.approx([0.2] * 3)


@given(widths=st.lists(st.integers(1, 4), min_size=1, max_size=5), order=st.permutations(range(5)))
def test_parts_in_any_order_give_the_same_sum(widths: list[int], order: list[int]) -> None:
    spans = [Span(Part("feature", str(i)), width) for i, width in enumerate(widths)]
    weight_HI = torch.randn(HIDDEN, width_of(spans), dtype=torch.float64)
    numbers = {span.part: torch.randn(span.width, dtype=torch.float64) for span in spans}
    columns = columns_by_part(weight_HI, spans)
    parts = [spans[index].part for index in order if index < len(spans)]

    moved = torch.cat([columns[part] for part in parts], dim=1)

    ours = moved @ torch.cat([numbers[part] for part in parts])
    expected = weight_HI @ torch.cat([numbers[span.part] for span in spans])
    torch.testing.assert_close(ours, expected)


def test_slices_of_a_part_come_together_in_its_own_order() -> None:
    interest, item = Part("interest", 0), Part("feature", "item_id")
    spans = [Span(interest, 1, start=1), Span(item, 2), Span(interest, 1, start=0)]

    columns = columns_by_part(torch.tensor([[10.0, 1.0, 2.0, 20.0]]), spans)

    assert columns[interest].tolist() == [[20.0, 10.0]]
    assert columns[item].tolist() == [[1.0, 2.0]]


def test_positions_are_where_the_numbers_of_a_feature_were() -> None:
    assert positions([("cate_id", 2), ("item_id", 3)], ["item_id", "cate_id"]) == [2, 3, 4, 0, 1]
