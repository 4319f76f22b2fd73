"""The C structures of `native/ctr_kernel.h`, field by field, which document themselves there."""

import ctypes
from ctypes import POINTER, Structure, c_double, c_int32, c_void_p
from enum import IntEnum
from typing import ClassVar

LAYOUT = 2


class ActivationCode(IntEnum):
    """`enum activation`."""

    LINEAR = 0
    RELU = 1
    SIGMOID = 2
    TANH = 3
    PRELU = 4
    DICE = 5


class EvolutionCode(IntEnum):
    """`enum evolution`."""

    POOL = 0
    LAST_STATE = 1
    AGRU = 2
    AIGRU = 3
    AUGRU_PAPER = 4
    AUGRU_OFFICIAL = 5


class AttentionCode(IntEnum):
    """`enum attention`."""

    NONE = 0
    MLP = 1
    DOT = 2


class NumbersCode(IntEnum):
    """`enum numbers`."""

    FLOAT32 = 0
    BFLOAT16 = 1
    INT8 = 2


_Fields = list[tuple[str, type]]


class Table(Structure):
    """`struct table`."""

    _fields_: ClassVar[_Fields] = [
        *((name, c_void_p) for name in ("rows", "scales")),
        *((name, c_int32) for name in ("width", "numbers")),
    ]


class Layer(Structure):
    """`struct layer`."""

    _fields_: ClassVar[_Fields] = [
        *((name, c_int32) for name in ("inputs", "outputs", "activation")),
        *((name, c_void_p) for name in ("weight", "bias", "scale", "shift", "slope")),
    ]


class Cell(Structure):
    """`struct cell`."""

    _fields_: ClassVar[_Fields] = [
        *((name, c_int32) for name in ("inputs", "hidden", "reset_before")),
        *((name, c_void_p) for name in ("input_columns", "input_bias", "hidden_columns")),
        *((name, c_void_p) for name in ("hidden_panels", "new_panels", "hidden_bias")),
    ]


class Interest(Structure):
    """`struct interest`."""

    _fields_: ClassVar[_Fields] = [
        ("fields", c_int32),
        ("field", c_void_p),
        *((name, c_int32) for name in ("embedding", "hidden", "sum_pooling", "evolution")),
        ("extractor", POINTER(Cell)),
        ("evolution_cell", POINTER(Cell)),
        *((name, c_int32) for name in ("attention", "softmax", "heads", "key_width")),
        ("key_columns", c_void_p),
        ("query_layers", c_int32),
        ("query", POINTER(Layer)),
        ("query_half", POINTER(Layer)),
        ("pair_layers", c_int32),
        ("pair", POINTER(Layer)),
        ("cold_interest", c_void_p),
    ]


class Model(Structure):
    """`struct model`."""

    _fields_: ClassVar[_Fields] = [
        *((name, c_int32) for name in ("behavior_fields", "user_fields", "candidate_fields")),
        ("tables", POINTER(Table)),
        *((name, c_int32) for name in ("user_numbers", "candidate_numbers", "interests")),
        ("interest", POINTER(Interest)),
        ("user_inputs", c_int32),
        ("user_columns", c_void_p),
        ("mlp_layers", c_int32),
        ("mlp", POINTER(Layer)),
    ]


class Batch(Structure):
    """`struct batch`."""

    _fields_: ClassVar[_Fields] = [
        *((name, c_int32) for name in ("users", "candidates", "longest")),
        *((name, c_void_p) for name in ("lengths_U", "behaviors_NF", "user_sparse_US")),
        *((name, c_void_p) for name in ("candidates_CF", "candidate_sparse_CS")),
        *((name, c_void_p) for name in ("user_dense_UD", "candidate_dense_CD")),
        *((name, c_void_p) for name in ("first_candidate_U", "states_U", "known_U", "earlier_U")),
    ]


class Task(Structure):
    """`struct task`."""

    _fields_: ClassVar[_Fields] = [
        *((name, c_void_p) for name in ("model", "batch", "logits_C", "attention_CT")),
        ("failed", c_int32),
        ("seconds", c_double),
        ("next", c_void_p),
    ]


def declare(library: ctypes.CDLL) -> None:
    """What the functions take and return.

    Raises AttributeError for a library that lacks one of them.
    """
    library.ctr_layout.argtypes = []
    library.ctr_layout.restype = c_int32
    library.ctr_score.argtypes = [c_void_p, c_void_p, c_void_p, c_void_p]
    library.ctr_score.restype = ctypes.c_int
    library.ctr_floats_of_user_states.argtypes = [POINTER(Model), ctypes.c_int64]
    library.ctr_floats_of_user_states.restype = ctypes.c_int64
    library.ctr_isa.argtypes = []
    library.ctr_isa.restype = ctypes.c_char_p
    library.ctr_use_isa.argtypes = [ctypes.c_char_p]
    library.ctr_use_isa.restype = ctypes.c_int
    library.ctr_start_workers.argtypes = [c_int32, c_int32]
    library.ctr_start_workers.restype = c_void_p
    library.ctr_submit.argtypes = [c_void_p, POINTER(Task)]
    library.ctr_submit.restype = None
    library.ctr_withdraw.argtypes = [c_void_p, POINTER(Task)]
    library.ctr_withdraw.restype = ctypes.c_int
    library.ctr_finished.argtypes = [c_void_p]
    library.ctr_finished.restype = c_void_p
    library.ctr_stop_workers.argtypes = [c_void_p]
    library.ctr_stop_workers.restype = None
