"""A stack of linear layers that ends in one number per row."""

from collections.abc import Sequence

from torch import Tensor, nn

from app.models.layers.activation import ActivationName, make_activation


class Mlp(nn.Module):
    """Linear, activation, ..., Linear to one output."""

    def __init__(
        self, inputs: int, hidden_units: Sequence[int], activation: ActivationName
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for units in hidden_units:
            layers += [nn.Linear(inputs, units), make_activation(activation, units)]
            inputs = units
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 1))

    def forward(self, x_RI: Tensor) -> Tensor:
        """[R, inputs] to [R]."""
        output_R1: Tensor = self.layers(x_RI)
        return output_R1.squeeze(1)
