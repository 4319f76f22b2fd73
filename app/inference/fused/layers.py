"""Linear layers, activations and recurrences of a torch model as the kernel's structures."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.inference.fused.arena import Arena
from app.kernels.packing import columns, padded, panels
from app.kernels.structures import ActivationCode, Cell, Layer
from app.models.layers.activation import Dice
from app.models.layers.gated_cell import GatedCell
from app.models.layers.mlp import Mlp
from app.models.layers.reset_gates import ResetBefore

# O outputs, I inputs, H hidden, G = 3H

Floats = NDArray[np.float32]
Linear = tuple[Floats, Floats, nn.Module | None]  # weight [O, I], bias [O], activation


def floats(values: Tensor) -> Floats:
    """A contiguous copy, or the memory itself where it already is."""
    return np.ascontiguousarray(values.detach().numpy(), np.float32)


def without_bias(weight_OI: Tensor) -> Linear:
    return floats(weight_OI), np.zeros(len(weight_OI), np.float32), None


def linears_of(mlp: Mlp) -> list[Linear]:
    """Each linear layer with the activation that follows it; the last has none."""
    return list(_paired(list(mlp.layers)))


def _paired(modules: list[nn.Module]) -> Iterator[Linear]:
    for index, module in enumerate(modules):
        if isinstance(module, nn.Linear):
            following = modules[index + 1] if index + 1 < len(modules) else None
            yield linear_of(module, following)


def linear_of(module: nn.Linear, activation: nn.Module | None) -> Linear:
    return floats(module.weight), floats(module.bias), activation


def make_layer(arena: Arena, linear: Linear) -> Layer:
    """Raises TypeError for an activation that the kernel does not have."""
    weight_OI, bias_O, activation = linear
    outputs, inputs = weight_OI.shape
    code, scale_O, shift_O, slope_O = _activation(activation, outputs)
    return Layer(
        inputs=inputs,
        outputs=outputs,
        activation=code,
        weight=arena.address(panels(weight_OI)),
        bias=arena.address(padded(bias_O)),
        scale=arena.address(scale_O),
        shift=arena.address(shift_O),
        slope=arena.address(slope_O),
    )


def _activation(
    module: nn.Module | None, width: int
) -> tuple[ActivationCode, Floats, Floats, Floats]:
    """Its code and, of each channel, scale, shift and slope."""
    unused = np.zeros(width, np.float32)
    match module:
        case None | nn.Identity():
            return ActivationCode.LINEAR, unused, unused, unused
        case nn.ReLU():
            return ActivationCode.RELU, unused, unused, unused
        case nn.Sigmoid():
            return ActivationCode.SIGMOID, unused, unused, unused
        case nn.Tanh():
            return ActivationCode.TANH, unused, unused, unused
        case nn.PReLU():
            slope_O = np.broadcast_to(floats(module.weight), (width,))
            return ActivationCode.PRELU, unused, unused, np.ascontiguousarray(slope_O)
        case Dice():
            scale_O, shift_O = _standardization(module)
            return ActivationCode.DICE, floats(scale_O), floats(shift_O), floats(module.alpha)
        case _:
            raise TypeError(f"the fused kernel has no {type(module).__name__}")


def _standardization(dice: Dice) -> tuple[Tensor, Tensor]:
    """(x - mean) / deviation, scaled and shifted where it is learned, as one product and sum."""
    norm = dice.statistics
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("the fused kernel needs Dice with running statistics")
    scale = torch.rsqrt(variance.double() + norm.eps)
    if norm.affine:
        scale = scale * norm.weight.double()
    shift = -mean.double() * scale
    return scale, shift + norm.bias.double() if norm.affine else shift


def make_cell(arena: Arena, cell: GatedCell) -> Cell:
    input_GI, hidden_GH = floats(cell.input_weight_GI), floats(cell.hidden_weight_GH)
    hidden = cell.hidden
    return Cell(
        inputs=input_GI.shape[1],
        hidden=hidden,
        reset_before=cell.reset is ResetBefore,
        input_columns=arena.address(columns(input_GI)),
        input_bias=arena.address(padded(floats(cell.input_bias_G))),
        hidden_columns=arena.address(columns(hidden_GH)),
        hidden_panels=arena.address(panels(hidden_GH)),
        new_panels=arena.address(panels(hidden_GH[2 * hidden :])),
        hidden_bias=arena.address(padded(floats(cell.hidden_bias_G))),
    )
