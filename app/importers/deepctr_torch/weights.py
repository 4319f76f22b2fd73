"""What the tensors of a DeepCTR-Torch model are called, and which of ours they are."""

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor

from app.importers import activations
from app.importers.activations import ReadActivation
from app.importers.deepctr_torch.config import DienOptions, DinOptions
from app.importers.gates import Recurrence, as_they_are, written_from_kept
from app.importers.state_dict import StateDict
from app.importers.tower import HiddenLayer, Linear, Tower
from app.models.layers.activation import ActivationName
from app.models.layers.recurrence import Evolution

# E embedding of the history's features, which is also the width of DIEN's states; G = 3E

# The library's names to ours; what has parameters is read.
ACTIVATION_NAMES: Mapping[str, ActivationName] = {
    "relu": "relu",
    "sigmoid": "sigmoid",
    "linear": "linear",
    "prelu": "prelu",
    "dice": "affine_dice",
}
EVOLUTIONS: Mapping[str, Evolution] = {
    "GRU": "gru",
    "AIGRU": "aigru",
    "AGRU": "agru",
    "AUGRU": "augru",
}
_READERS: Mapping[str, ReadActivation] = {
    "prelu": activations.one_slope,
    "dice": activations.affine_dice,
}


def read_tower(
    state: StateDict, inputs: int, options: DinOptions | DienOptions, output: str
) -> Tower:
    """The last tower, whose output layer has no bias of its own."""
    use_bn = options.use_bn if isinstance(options, DienOptions) else options.dnn_use_bn
    hidden = _read_hidden(
        state, "dnn", (inputs, *options.dnn_hidden_units), options.dnn_activation, use_bn=use_bn
    )
    last = Linear(
        state.take(f"{output}.weight", 1, options.dnn_hidden_units[-1]), state.take("out.bias", 1)
    )
    return Tower(hidden, last, ACTIVATION_NAMES[options.dnn_activation])


def read_attention(
    state: StateDict, prefix: str, width: int, units: tuple[int, ...], activation: str
) -> dict[str, Tensor]:
    """The local activation unit, under the names of our TargetAttention."""
    unit = f"{prefix}.local_att"
    hidden = _read_hidden(state, f"{unit}.dnn", (4 * width, *units), activation, use_bn=False)
    output = Linear(
        state.take(f"{unit}.dense.weight", 1, units[-1]), state.take(f"{unit}.dense.bias", 1)
    )
    return Tower(hidden, output, ACTIVATION_NAMES[activation]).as_attention("attention.kind")


def read_recurrences(
    state: StateDict, width: int, gru_type: str, key_positions: list[int]
) -> dict[str, Tensor]:
    """DIEN's extractor and evolution.

    key_positions: where the extractor's inputs are in the library, in the order of ours.
    """
    extractor = _read_recurrence(state, "interest_extractor.gru.", "_l0", width)
    tensors = extractor.with_inputs(key_positions).as_cell("extractor", written_from_kept)
    prefix = "interest_evolution.interest_evolution."
    if gru_type in ("GRU", "AIGRU"):
        evolution = _read_recurrence(state, prefix, "_l0", width)
        return tensors | evolution.as_cell("evolution", written_from_kept)
    evolution = _read_recurrence(state, f"{prefix}rnn.", "", width)
    return tensors | evolution.as_cell("evolution", as_they_are)


def _read_recurrence(state: StateDict, prefix: str, suffix: str, width: int) -> Recurrence:
    gates = 3 * width
    return Recurrence(
        state.take(f"{prefix}weight_ih{suffix}", gates, width),
        state.take(f"{prefix}weight_hh{suffix}", gates, width),
        state.take(f"{prefix}bias_ih{suffix}", gates),
        state.take(f"{prefix}bias_hh{suffix}", gates),
    )


def _read_hidden(
    state: StateDict, prefix: str, widths: tuple[int, ...], activation: str, *, use_bn: bool
) -> tuple[HiddenLayer, ...]:
    layers = []
    for index, (inputs, units) in enumerate(pairwise(widths)):
        name = f"{prefix}.linears.{index}"
        linear = Linear(
            state.take(f"{name}.weight", units, inputs), state.take(f"{name}.bias", units)
        )
        if use_bn:
            norm = activations.batch_norm(state, f"{prefix}.bn.{index}", units)
            linear = linear.normalized(*norm)
        read = _READERS.get(activation, activations.without_parameters)
        layers.append(
            HiddenLayer(linear, read(state, f"{prefix}.activation_layers.{index}", units))
        )
    return tuple(layers)
