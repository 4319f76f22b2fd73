"""Where the reset gate r enters a GRU's new state, forward and backward: two forms are in use.

`ResetAfter` multiplies it into U h + c, as the DIEN paper and cuDNN; `ResetBefore` multiplies it
into h, as TensorFlow's GRUCell and so the official DIEN code.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

# K rows of a step, H hidden, G = 3H: reset, update and new part

ResetGate = Literal["after", "before"]


@dataclass(frozen=True, slots=True)
class Gates:
    """What a step computes on its way to the next state."""

    reset_KH: Tensor
    update_KH: Tensor
    new_KH: Tensor
    product_KH: Tensor  # of the state with the new part's weights


class ResetAfter:
    """n = tanh(x_n + r (U_n h + c_n))."""

    @staticmethod
    def gates(projected_KG: Tensor, state_KH: Tensor, weight_GH: Tensor, bias_G: Tensor) -> Gates:
        two = 2 * state_KH.shape[1]
        products_KG = torch.addmm(bias_G, state_KH, weight_GH.T)
        gates_K2H = torch.sigmoid(projected_KG[:, :two] + products_KG[:, :two])
        reset, update = gates_K2H.chunk(2, dim=1)
        product = products_KG[:, two:]
        new = torch.tanh(torch.addcmul(projected_KG[:, two:], reset, product))
        return Gates(reset, update, new, product)

    @staticmethod
    def back(
        new_KH: Tensor, reset_KH: Tensor, product_KH: Tensor, _: Tensor, new_weight_HH: Tensor
    ) -> tuple[Tensor, Tensor]:
        """From the gradient inside tanh to those of the reset gate and of the state before."""
        return new_KH * product_KH, (new_KH * reset_KH) @ new_weight_HH

    @staticmethod
    def new_part(new_KH: Tensor, reset_KH: Tensor, state_KH: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the new part's weights and bias."""
        scaled_KH = new_KH * reset_KH
        return scaled_KH.T @ state_KH, scaled_KH.sum(dim=0)


class ResetBefore:
    """n = tanh(x_n + U_n (r h) + c_n)."""

    @staticmethod
    def gates(projected_KG: Tensor, state_KH: Tensor, weight_GH: Tensor, bias_G: Tensor) -> Gates:
        two = 2 * state_KH.shape[1]
        products_K2H = torch.addmm(bias_G[:two], state_KH, weight_GH[:two].T)
        reset, update = torch.sigmoid(projected_KG[:, :two] + products_K2H).chunk(2, dim=1)
        product = torch.addmm(bias_G[two:], reset * state_KH, weight_GH[two:].T)
        return Gates(reset, update, torch.tanh(projected_KG[:, two:] + product), product)

    @staticmethod
    def back(
        new_KH: Tensor, reset_KH: Tensor, _: Tensor, state_KH: Tensor, new_weight_HH: Tensor
    ) -> tuple[Tensor, Tensor]:
        """From the gradient inside tanh to those of the reset gate and of the state before."""
        scaled_KH = new_KH @ new_weight_HH
        return scaled_KH * state_KH, scaled_KH * reset_KH

    @staticmethod
    def new_part(new_KH: Tensor, reset_KH: Tensor, state_KH: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the new part's weights and bias."""
        return new_KH.T @ (reset_KH * state_KH), new_KH.sum(dim=0)


ResetForm = type[ResetAfter] | type[ResetBefore]


def reset_form(name: ResetGate) -> ResetForm:
    return ResetAfter if name == "after" else ResetBefore
