"""The recurrences against torch.nn.GRU, whose z keeps what our update gate writes: z = 1 - u."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from app.models.layers.gated_cell import GatedCell
from app.models.layers.ragged import Spans
from app.models.layers.recurrence import EvolutionRule, evolve, run_over_behaviors
from app.models.layers.write_rules import write_agru, write_augru_official, write_augru_paper

# R sequences, N steps of all sequences, K rows of one step, T steps, I input, H hidden

INPUT, HIDDEN = 3, 4
SATURATED = 1e4  # a sigmoid of it is exactly 0 or 1

lengths_of_some = st.lists(st.integers(0, 5), min_size=1, max_size=6)


def make_cell(reset_gate: str = "after", *, inputs: int = INPUT) -> GatedCell:
    """A cell with no weight or bias left at its initial value."""
    cell = GatedCell(inputs, HIDDEN, reset_gate).double()
    generator = torch.Generator().manual_seed(0)
    cell.load_state_dict(
        {
            name: torch.randn(value.shape, generator=generator, dtype=value.dtype)
            for name, value in cell.state_dict().items()
        }
    )
    return cell.requires_grad_(False)


def as_torch_gru(cell: GatedCell) -> nn.GRU:
    """The same recurrence in torch's convention: z's rows are our update gate's, negated."""
    gru = nn.GRU(cell.input_weight_GI.shape[1], HIDDEN).double().requires_grad_(False)
    gru.load_state_dict(
        {
            "weight_ih_l0": _with_update_rows(cell.input_weight_GI, -1),
            "weight_hh_l0": _with_update_rows(cell.hidden_weight_GH, -1),
            "bias_ih_l0": _with_update_rows(cell.input_bias_G, -1),
            "bias_hh_l0": _with_update_rows(cell.hidden_bias_G, -1),
        }
    )
    return gru


def _with_update_rows(rows: Tensor, factor: float) -> Tensor:
    reset, update, new = rows.chunk(3)
    return torch.cat([reset, factor * update, new])


def with_gate_open(cell: GatedCell, gate: int) -> GatedCell:
    """The same cell with its reset (0) or update (1) gate at exactly one, whatever comes in."""
    bias_G = cell.input_bias_G.clone()
    bias_G.view(3, HIDDEN)[gate] = SATURATED
    opened = make_cell(inputs=cell.input_weight_GI.shape[1])
    opened.load_state_dict(cell.state_dict() | {"input_bias_G": bias_G})
    return opened


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def last_states(gru: nn.GRU, sequences: list[Tensor]) -> Tensor:
    """[R, H]: each sequence alone through torch's GRU, zero for an empty one."""
    zero_H = torch.zeros(HIDDEN, dtype=torch.float64)
    return torch.stack([gru(x_TI)[0][-1] if len(x_TI) else zero_H for x_TI in sequences])


def spans_of(lengths: list[int]) -> Spans:
    lengths_R = torch.tensor(lengths)
    return Spans(lengths_R.cumsum(0) - lengths_R, lengths_R)


def evolve_all(
    cell: GatedCell, sequences_NI: Tensor, lengths: list[int], attention_RT: Tensor, rule: str
) -> Tensor:
    evolution, _, form = rule.partition("-")
    rules = EvolutionRule.of(evolution, form or "paper")
    project = cell.project_without_bias if rules.scales_inputs else cell.project
    return evolve(cell, project(sequences_NI), spans_of(lengths), attention_RT, rules)


@given(lengths_of_some)
@settings(deadline=None, max_examples=50)
def test_the_extractor_is_torchs_gru_on_each_sequence(lengths):
    cell = make_cell()
    inputs_NI = draw(sum(lengths), INPUT)
    gru = as_torch_gru(cell)
    expected_NH = torch.cat(
        [gru(x_TI)[0] if len(x_TI) else draw(0, HIDDEN) for x_TI in inputs_NI.split(lengths)]
    )

    states_NH = run_over_behaviors(cell, inputs_NI, torch.tensor(lengths))

    torch.testing.assert_close(states_NH, expected_NH, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("rule", "constant"), [("augru-paper", 1.0), ("augru-official", 0.0), ("aigru", 1.0)]
)
@given(lengths_of_some)
@settings(deadline=None, max_examples=30)
def test_attention_at_its_neutral_value_leaves_torchs_gru(rule, constant, lengths):
    cell = make_cell()
    inputs_NI = draw(sum(lengths), INPUT)
    attention_RT = torch.full((len(lengths), max(lengths)), constant, dtype=torch.float64)
    expected_RH = last_states(as_torch_gru(cell), list(inputs_NI.split(lengths)))

    states_RH = evolve_all(cell, inputs_NI, lengths, attention_RT, rule)

    torch.testing.assert_close(states_RH, expected_RH, rtol=1e-12, atol=1e-12)


@given(lengths_of_some)
@settings(deadline=None, max_examples=30)
def test_aigru_is_torchs_gru_on_inputs_scaled_by_attention(lengths):
    cell = make_cell()
    inputs_NI = draw(sum(lengths), INPUT)
    attention_RT = draw(len(lengths), max(lengths), seed=2).sigmoid()
    scaled = [
        attention_RT[row, : len(x_TI)].unsqueeze(1) * x_TI
        for row, x_TI in enumerate(inputs_NI.split(lengths))
    ]
    expected_RH = last_states(as_torch_gru(cell), scaled)

    states_RH = evolve_all(cell, inputs_NI, lengths, attention_RT, "aigru")

    torch.testing.assert_close(states_RH, expected_RH, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", ["augru-paper", "agru"])
def test_behaviors_without_attention_keep_the_interest(rule):
    cell = make_cell()
    inputs_NI = draw(7, INPUT)
    attention_1T = draw(1, 7, seed=2).sigmoid()
    attention_1T[:, 4:] = 0.0
    before_1H = evolve_all(cell, inputs_NI[:4], [4], attention_1T[:, :4], rule)

    after_1H = evolve_all(cell, inputs_NI, [7], attention_1T, rule)

    assert torch.equal(after_1H, before_1H)


@pytest.mark.parametrize("reset_gate", ["after", "before"])
@pytest.mark.parametrize("write", [write_augru_paper, write_agru])
def test_a_step_without_attention_keeps_any_state(write, reset_gate):
    cell = make_cell(reset_gate)
    state_KH = draw(5, HIDDEN)

    next_KH = cell.step(
        cell.project(draw(5, INPUT)), state_KH, torch.zeros_like(state_KH[:, :1]), write
    )

    assert torch.equal(next_KH, state_KH)


@pytest.mark.parametrize("write", [write_augru_official, write_agru])
def test_a_step_with_all_attention_sets_the_state_to_the_candidate_state(write):
    cell = make_cell()
    inputs_KI, state_KH = draw(5, INPUT), draw(5, HIDDEN, seed=2)
    writes_everything = as_torch_gru(with_gate_open(cell, 1))
    candidate_1KH, _ = writes_everything(inputs_KI.unsqueeze(0), state_KH.unsqueeze(0))

    next_KH = cell.step(cell.project(inputs_KI), state_KH, torch.ones_like(state_KH[:, :1]), write)

    torch.testing.assert_close(next_KH, candidate_1KH[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("attention", [0.0, 0.3, 1.0])
def test_the_two_augrus_write_differently_unless_attention_makes_them_agree(attention):
    update_KH = draw(5, HIDDEN).sigmoid()
    attention_K1 = torch.full((5, 1), attention, dtype=torch.float64)

    official_KH = write_augru_official(update_KH, attention_K1)

    unattended_KH = (1 - attention) * update_KH + attention * (1 - update_KH)
    paper_KH = write_augru_paper(update_KH, attention_K1)
    torch.testing.assert_close(official_KH - paper_KH, unattended_KH)


def test_with_the_reset_gate_open_it_does_not_matter_where_it_is_applied():
    after = with_gate_open(make_cell("after"), 0)
    before = make_cell("before")
    before.load_state_dict(after.state_dict())
    inputs_NI, lengths_R = draw(9, INPUT), torch.tensor([4, 0, 5])

    after_NH = run_over_behaviors(after, inputs_NI, lengths_R)
    before_NH = run_over_behaviors(before, inputs_NI, lengths_R)

    torch.testing.assert_close(before_NH, after_NH, rtol=1e-12, atol=1e-12)


def test_a_half_closed_reset_gate_tells_the_two_places_apart():
    after, before = make_cell("after"), make_cell("before")
    inputs_NI, lengths_R = draw(9, INPUT), torch.tensor([4, 0, 5])

    after_NH = run_over_behaviors(after, inputs_NI, lengths_R)
    before_NH = run_over_behaviors(before, inputs_NI, lengths_R)

    assert (after_NH - before_NH).abs().max() > 0.01


@given(lengths_of_some, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_sequences_that_share_rows_evolve_as_if_they_had_their_own(lengths, random):
    cell = make_cell()
    inputs_NI = draw(sum(lengths), INPUT)
    own = spans_of(lengths)
    rows = [random.randrange(len(lengths)) for _ in range(8)]
    shared = Spans(own.first_row_R[rows], own.lengths_R[rows])
    attention_RT = draw(8, max(lengths), seed=2).sigmoid()
    rule = EvolutionRule.of("augru", "paper")
    sequences = inputs_NI.split(lengths)
    expected_RH = evolve_all(
        cell,
        torch.cat([sequences[row] for row in rows]),
        [lengths[row] for row in rows],
        attention_RT,
        "augru-paper",
    )

    states_RH = evolve(cell, cell.project(inputs_NI), shared, attention_RT, rule)

    torch.testing.assert_close(states_RH, expected_RH, rtol=1e-12, atol=1e-12)
