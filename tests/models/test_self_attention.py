"""Self-attention within sequences against torch's own transformer, one sequence at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from app.models.layers.ragged_sequences import RaggedSequences
from app.models.layers.self_attention import SelfAttention

# R sequences, N rows of all sequences, T rows of one, H width

WIDTH = 6

lengths_of_some = st.lists(st.integers(0, 6), min_size=1, max_size=6)


def make_block(heads: int) -> SelfAttention:
    """A block with no weight or bias left at its initial value."""
    block = SelfAttention(WIDTH, heads).double().requires_grad_(False)
    for seed, parameter in enumerate(block.parameters()):
        parameter.copy_(draw(*parameter.shape, seed=seed))
    return block


def as_torch_layer(block: SelfAttention, heads: int) -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(WIDTH, heads, 4 * WIDTH, dropout=0.0).double()
    names = {
        "self_attn.in_proj_": "inputs.",
        "self_attn.out_proj.": "output.",
        "linear1.": "feed_forward.0.",
        "linear2.": "feed_forward.2.",
        "norm1.": "attention_norm.",
        "norm2.": "feed_forward_norm.",
    }
    ours = block.state_dict()
    layer.load_state_dict(
        {
            f"{theirs}{part}": ours[f"{name}{part}"]
            for theirs, name in names.items()
            for part in ("weight", "bias")
        }
    )
    return layer.requires_grad_(False)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("heads", [1, 2, 3])
@given(lengths_of_some)
@settings(max_examples=30)
def test_it_is_torchs_encoder_layer_on_each_sequence(heads, lengths):
    block, x_NH = make_block(heads), draw(sum(lengths), WIDTH, seed=99)
    layer = as_torch_layer(block, heads)
    expected = [layer(x_TH) for x_TH in x_NH.split(lengths) if len(x_TH)]

    context_NH, _ = block(x_NH, RaggedSequences(torch.tensor(lengths)))

    torch.testing.assert_close(context_NH, torch.cat([x_NH[:0], *expected]))


@pytest.mark.parametrize("heads", [1, 2, 3])
@given(lengths_of_some)
@settings(max_examples=30)
def test_what_a_row_receives_is_the_mean_of_torchs_attention_weights(heads, lengths):
    block, x_NH = make_block(heads), draw(sum(lengths), WIDTH, seed=99)
    attention = as_torch_layer(block, heads).self_attn
    expected = [
        attention(x_TH, x_TH, x_TH)[1].mean(dim=0) for x_TH in x_NH.split(lengths) if len(x_TH)
    ]

    _, received_N = block(x_NH, RaggedSequences(torch.tensor(lengths)))

    torch.testing.assert_close(received_N, torch.cat([x_NH[:0, 0], *expected]))


def test_a_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="a width of 6 cannot be divided among 4 attention heads"):
        SelfAttention(WIDTH, 4)
