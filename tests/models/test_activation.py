"""Activations by name; Dice standardizes by the batch in training and by what it learned later."""

import pytest
import torch
from torch import Tensor

from app.models.layers.activation import Dice, make_activation

# R rows, H channels

X_RH = torch.tensor([[-2.0, 0.0, 3.0], [1.0, -0.5, 4.0], [0.5, 2.5, -1.0], [3.0, 1.0, 0.5]])


def make_dice() -> Dice:
    """A Dice that has seen other data than `X_RH`."""
    dice = Dice(3)
    dice.load_state_dict(
        {
            "alpha": torch.tensor([0.3, -0.2, 0.7]),
            "statistics.running_mean": torch.tensor([0.5, -1.0, 2.0]),
            "statistics.running_var": torch.tensor([0.25, 4.0, 1.5]),
            "statistics.num_batches_tracked": torch.tensor(11),
        }
    )
    return dice


def dice_by_hand(x_RH: Tensor, dice: Dice, mean_H: Tensor, variance_H: Tensor) -> Tensor:
    p_RH = torch.sigmoid((x_RH - mean_H) / (variance_H + 1e-8).sqrt())
    return (p_RH * x_RH + (1 - p_RH) * dice.alpha * x_RH).detach()


def running(dice: Dice) -> tuple[Tensor, Tensor]:
    return dice.statistics.running_mean.clone(), dice.statistics.running_var.clone()


def test_dice_in_serving_standardizes_by_running_statistics():
    dice = make_dice().eval()
    expected_RH = dice_by_hand(X_RH, dice, *running(dice))

    y_RH = dice(X_RH)

    torch.testing.assert_close(y_RH, expected_RH)


def test_dice_in_serving_learns_nothing():
    dice = make_dice().eval()
    before = running(dice)

    dice(X_RH)

    torch.testing.assert_close(running(dice), before, rtol=0, atol=0)


def test_dice_in_training_standardizes_by_the_batch():
    dice = make_dice().train()
    expected_RH = dice_by_hand(X_RH, dice, X_RH.mean(0), X_RH.var(0, unbiased=False))

    y_RH = dice(X_RH)

    torch.testing.assert_close(y_RH, expected_RH)


def test_dice_in_training_moves_its_running_statistics_a_hundredth_towards_the_batch():
    dice = make_dice().train()
    mean_H, variance_H = running(dice)

    dice(X_RH)

    moved_mean_H, moved_variance_H = running(dice)
    torch.testing.assert_close(moved_mean_H, 0.99 * mean_H + 0.01 * X_RH.mean(0))
    torch.testing.assert_close(moved_variance_H, 0.99 * variance_H + 0.01 * X_RH.var(0))


@pytest.mark.parametrize("rows", [0, 1])
def test_dice_in_training_treats_too_few_rows_as_in_serving(rows):
    dice = make_dice().train()
    before = running(dice)
    expected_RH = dice_by_hand(X_RH[:rows], dice, *before)

    y_RH = dice(X_RH[:rows])

    torch.testing.assert_close(y_RH.detach(), expected_RH)
    torch.testing.assert_close(running(dice), before, rtol=0, atol=0)


def test_dice_with_alpha_one_is_the_identity():
    dice = make_dice().eval()
    torch.nn.init.ones_(dice.alpha)

    y_RH = dice(X_RH)

    torch.testing.assert_close(y_RH, X_RH)


def test_affine_dice_scales_and_shifts_what_is_standardized():
    scale_H, shift_H = torch.tensor([0.5, 2.0, -1.0]), torch.tensor([1.0, 0.0, -2.0])
    affine = Dice(3, affine=True).eval()
    affine.load_state_dict(
        make_dice().state_dict() | {"statistics.weight": scale_H, "statistics.bias": shift_H}
    )
    mean_H, variance_H = running(affine)
    p_RH = torch.sigmoid(scale_H * (X_RH - mean_H) / (variance_H + 1e-8).sqrt() + shift_H)

    y_RH = affine(X_RH)

    torch.testing.assert_close(y_RH, p_RH * X_RH + (1 - p_RH) * affine.alpha * X_RH)


def test_dice_learns_its_slope():
    dice = make_dice().train()

    dice(X_RH).sum().backward()

    assert (dice.alpha.grad != 0).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", X_RH.clamp(min=0)),
        ("sigmoid", 1 / (1 + (-X_RH).exp())),
        ("prelu", torch.where(X_RH > 0, X_RH, 0.1 * X_RH)),
        ("dice", X_RH / (1 + (-X_RH).exp())),
        ("affine_dice", X_RH / (1 + (-X_RH).exp())),
        ("tanh", 2 / (1 + (-2 * X_RH).exp()) - 1),
        ("linear", X_RH),
    ],
)
def test_a_fresh_activation_is_its_textbook_function(name, expected):
    y_RH = make_activation(name, 3).eval()(X_RH)

    torch.testing.assert_close(y_RH.detach(), expected)


def test_prelu_has_a_slope_per_channel():
    prelu = make_activation("prelu", 3)
    prelu.load_state_dict({"weight": torch.tensor([0.5, 0.0, -1.0])})

    y_RH = prelu(-torch.ones(1, 3))

    assert y_RH.tolist() == [[-0.5, 0.0, 1.0]]
