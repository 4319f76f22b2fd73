"""What the tensors of a FuxiCTR model are called, and which of ours they are."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from app.errors import StartupRefused
from app.importers import activations
from app.importers.activations import ReadActivation
from app.importers.fuxictr.config import Activation, Activations, CommonOptions, DropoutRates
from app.importers.gates import Recurrence, reset_first, written_from_kept
from app.importers.source_model import Tensors
from app.importers.state_dict import StateDict
from app.importers.tower import HiddenLayer, Linear, Tower
from app.models.layers.activation import ActivationName

# M width of a pair's embeddings and of DIEN's states, G = 3M

# The library's names to ours; what has parameters is read.
ACTIVATION_NAMES: Mapping[str, ActivationName] = {
    "relu": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "prelu": "prelu",
    "dice": "dice",
    "identity": "linear",
}
_READERS: Mapping[str, ReadActivation] = {"prelu": activations.slopes, "dice": activations.dice}


def same_for_all(option: str, chosen: Activations) -> Activation:
    """The activation of every layer. Raises StartupRefused where they differ."""
    if len(set(chosen)) > 1:
        raise StartupRefused(f"{option} differ from layer to layer, which no tower can do here")
    return chosen[0] if chosen else None


def activation_name(activation: Activation) -> ActivationName:
    return "linear" if activation is None else ACTIVATION_NAMES[activation]


def tower_activation(options: CommonOptions) -> Activation:
    return same_for_all("dnn_activations", options.dnn_activations)


def read_tower(state: StateDict, inputs: int, options: CommonOptions) -> Tower:
    """The last tower."""
    return read_mlp(
        state,
        "dnn.mlp",
        (inputs, *options.dnn_hidden_units),
        tower_activation(options),
        dropout=options.net_dropout,
        batch_norm=options.batch_norm,
    )


def read_mlp(
    state: StateDict,
    prefix: str,
    widths: Sequence[int],
    activation: Activation,
    *,
    dropout: DropoutRates,
    batch_norm: bool = False,
) -> Tower:
    """An MLP_Block: one list of modules, whose indices depend on which of them there are.

    widths: of the inputs and of each hidden layer.
    """
    layers = len(widths) - 1
    rates = dropout * layers if len(dropout) == 1 else dropout
    if len(rates) != layers:
        raise StartupRefused(f"{len(rates)} dropout rates for the {layers} layers of {prefix}")
    modules = _Modules(prefix)
    hidden = []
    for inputs, units, rate in zip(widths[:-1], widths[1:], rates, strict=True):
        linear = _read_linear(state, modules.next(), inputs, units)
        if batch_norm:
            linear = linear.normalized(*activations.batch_norm(state, modules.next(), units))
        tensors: Tensors = {}
        if activation is not None:
            read = _READERS.get(activation, activations.without_parameters)
            tensors = read(state, modules.next(), units)
        if rate > 0:
            modules.next()
        hidden.append(HiddenLayer(linear, tensors))
    output = _read_linear(state, modules.next(), widths[-1], 1)
    return Tower(tuple(hidden), output, activation_name(activation))


def read_extractor(
    state: StateDict, pair: int, width: int, key_positions: Sequence[int]
) -> dict[str, Tensor]:
    """The first GRU; key_positions: where its inputs are, in the order of ours."""
    extractor = _read_gru(state, f"extraction_modules.{pair}", width)
    return extractor.with_inputs(key_positions).as_cell("extractor", written_from_kept)


def read_evolution(state: StateDict, pair: int, width: int, gru_type: str) -> dict[str, Tensor]:
    """The second recurrence."""
    prefix = f"evolving_modules.{pair}"
    if gru_type == "GRU":
        return _read_gru(state, prefix, width).as_cell("evolution", written_from_kept)
    inputs = _read_linear(state, f"{prefix}.gru_cell.x2h", width, 3 * width)
    states = _read_linear(state, f"{prefix}.gru_cell.h2h", width, 3 * width)
    evolution = Recurrence(inputs.weight_OI, states.weight_OI, inputs.bias_O, states.bias_O)
    return evolution.as_cell("evolution", reset_first)


class _Modules:
    """Names of the modules of a torch.nn.Sequential, one after the other."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._index = -1

    def next(self) -> str:
        self._index += 1
        return f"{self._prefix}.{self._index}"


def _read_linear(state: StateDict, name: str, inputs: int, units: int) -> Linear:
    return Linear(state.take(f"{name}.weight", units, inputs), state.take(f"{name}.bias", units))


def _read_gru(state: StateDict, prefix: str, width: int) -> Recurrence:
    gates = 3 * width
    return Recurrence(
        state.take(f"{prefix}.weight_ih_l0", gates, width),
        state.take(f"{prefix}.weight_hh_l0", gates, width),
        state.take(f"{prefix}.bias_ih_l0", gates),
        state.take(f"{prefix}.bias_hh_l0", gates),
    )
