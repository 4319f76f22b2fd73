"""A gated recurrence over ragged sequences in one launch, for GPUs: a program walks a sequence.

Its twin in torch, which says what is computed, is `app/models/layers/recurrence.py`. A thread has a
column of each weight of the state, and keeps it in registers from the first step to the last.
"""

import triton
import triton.language as tl

# R sequences, N rows of all sequences, T longest, H hidden, G = 3H: reset, update and new part


def warps_for(block: int) -> int:
    """So many that no thread has more than 192 weights, of the 255 registers that it can have."""
    return max(1, block * block // 2048)


@triton.jit
def _parts(values, at, width, mask):
    """Three blocks, each so wide: the reset, update and new part."""
    return (
        tl.load(values + at, mask, 0.0),
        tl.load(values + width + at, mask, 0.0),
        tl.load(values + 2 * width + at, mask, 0.0),
    )


@triton.jit
def _times(state, weight):
    """In whole floats, which the tensor cores of `tl.dot` round to ten bits."""
    return tl.sum(weight * state[:, None], axis=0)


# What changes from batch to batch must not make it compile anew.
@triton.jit(
    do_not_specialize=["longest"], do_not_specialize_on_alignment=["first_row_R", "lengths_R"]
)
def walk(
    states,  # [N, H] if all are wanted, else the last ones [R, H], zero of an empty sequence
    projected_NG,
    first_row_R,
    lengths_R,
    attention_RT,  # or None
    longest,
    input_bias_G,
    weight_HG,
    bias_G,
    of_update,
    of_attention,
    of_both,
    HIDDEN: tl.constexpr,
    BLOCK: tl.constexpr,  # the next power of two
    SCALES_INPUTS: tl.constexpr,  # by attention; then the input bias is not yet in them
    RESET_BEFORE: tl.constexpr,
    KEEPS_ALL: tl.constexpr,
):
    sequence = tl.program_id(0).to(tl.int64)
    first_row = tl.load(first_row_R + sequence)
    end = first_row + tl.load(lengths_R + sequence)
    unit = tl.arange(0, BLOCK)
    real = unit < HIDDEN
    # Said to be unaligned: loaded four at a time, columns would be spread over several threads.
    at = tl.multiple_of(unit[:, None] * (3 * HIDDEN) + unit[None, :], [1, 1])
    square = real[:, None] & real[None, :]
    reset_weight, update_weight, new_weight = _parts(weight_HG, at, HIDDEN, square)
    reset_bias, update_bias, new_bias = _parts(bias_G, unit, HIDDEN, real)
    late_reset, late_update, late_new = _parts(input_bias_G, unit, HIDDEN, real & SCALES_INPUTS)
    reset_bias += late_reset
    update_bias += late_update
    state = tl.zeros([BLOCK], tl.float32)
    row = first_row
    while row < end:  # a range of tensors could not be interpreted with every NumPy
        x_reset, x_update, x_new = _parts(projected_NG + row * (3 * HIDDEN), unit, HIDDEN, real)
        attention = 0.0
        if attention_RT is not None:
            attention = tl.load(attention_RT + sequence * longest + row - first_row)
        scale = attention if SCALES_INPUTS else 1.0
        reset = tl.sigmoid(scale * x_reset + reset_bias + _times(state, reset_weight))
        update = tl.sigmoid(scale * x_update + update_bias + _times(state, update_weight))
        if RESET_BEFORE:
            product = new_bias + _times(reset * state, new_weight)
        else:
            product = reset * (new_bias + _times(state, new_weight))
        inside = scale * x_new + late_new + product
        new = 2.0 * tl.sigmoid(2.0 * inside) - 1.0  # tanh
        written = of_update * update + of_attention * attention + of_both * attention * update
        state += written * (new - state)
        if KEEPS_ALL:
            tl.store(states + row * HIDDEN + unit, state, real)
        row += 1
    if not KEEPS_ALL:
        tl.store(states + sequence * HIDDEN + unit, state, real)
