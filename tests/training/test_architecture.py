"""An operator's options become an architecture, or one line on which of them it does not have."""

import pytest

from app.errors import StartupRefused
from app.models.din.config import DinConfig
from app.training.architecture import chosen_architecture, split_numbers


def test_options_that_were_not_given_have_the_architectures_defaults() -> None:
    chosen = chosen_architecture("din", hidden_size=None, attention_softmax=False)

    assert chosen == DinConfig(attention_softmax=False)


def test_layers_are_written_with_commas() -> None:
    chosen = chosen_architecture(
        "din", mlp_units=split_numbers("50,20"), attention_units=split_numbers("16")
    )

    assert chosen == DinConfig(mlp_units=(50, 20), attention_units=(16,))
    assert split_numbers(None) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"hidden_size": 8}, "--hidden-size is not an option of din"),
        ({"mlp_units": split_numbers("50;20")}, "--mlp-units: Input should be a valid integer"),
        ({"mlp_units": split_numbers("50,0")}, "--mlp-units: Input should be greater than"),
        ({"attention_units": split_numbers("")}, "--attention-units: Input should be a valid"),
        ({"attention": "cosine"}, "--attention: Input should be 'mlp'"),
    ],
)
def test_what_it_does_not_have_is_refused_by_the_options_name(
    options: dict[str, object], reason: str
) -> None:
    with pytest.raises(StartupRefused, match=reason):
        chosen_architecture("din", **options)
