"""The first requests must not pay for what a model does only once: memory, kernels, threads."""

import time
from collections.abc import Callable, Iterable

import numpy as np
import torch

from app.core.batch import RaggedBatch
from app.core.schema import OOV_ROW, FeatureSchema
from app.inference.cost_model import Size
from app.inference.runtime import Runtime

# From a small request to a full one.
SIZES = (Size(1, 0), Size(1, 1), Size(20, 20), Size(100, 50), Size(400, 50))

SECONDS_BETWEEN_BEHAVIORS = 600
TIMED_RUNS = 3  # of each size, once it is warm

Clock = Callable[[], float]


def warm_up(
    engine: Runtime, schema: FeatureSchema, recorded: Iterable[Size] = ()
) -> list[tuple[Size, float]]:
    """The fastest seconds of each size: the first guess of what requests will cost.

    `recorded`: of requests that have come, beside the sizes that every version computes.
    """
    measured, clock = [], _clock_of(engine)
    for size in _within(schema.max_behaviors, [*SIZES, *recorded]):
        batch = _batch(schema, size.candidates, size.behaviors)
        engine.score(batch)
        measured.append((size, min(_seconds(engine, batch, clock) for _ in range(TIMED_RUNS))))
    return measured


def _within(max_behaviors: int, sizes: Iterable[Size]) -> Iterable[Size]:
    """Each once, as a model sees it."""
    return dict.fromkeys(
        Size(size.candidates, min(size.behaviors, max_behaviors)) for size in sizes
    )


def _clock_of(engine: Runtime) -> Clock:
    """Where one thread does it all, its own time: beside requests it often has to wait."""
    is_alone = engine.device.type == "cpu" and torch.get_num_threads() == 1
    return time.thread_time if is_alone else time.perf_counter


def _seconds(engine: Runtime, batch: RaggedBatch, clock: Clock) -> float:
    started_s = clock()
    engine.score(batch)
    return clock() - started_s


def _batch(schema: FeatureSchema, candidates: int, behaviors: int) -> RaggedBatch:
    """One user; every id is unknown, which costs as much as any other."""

    def oov(rows: int, columns: int) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
        return np.full((rows, columns), OOV_ROW, np.int64)

    fields = len(schema.behavior_fields)
    return RaggedBatch(
        lengths_U=np.array([behaviors]),
        behaviors_NF=oov(behaviors, fields),
        behavior_seconds_N=np.arange(behaviors) * SECONDS_BETWEEN_BEHAVIORS,
        user_sparse_US=oov(1, len(schema.user_sparse_fields)),
        user_dense_UD=np.zeros((1, len(schema.user_dense_fields)), np.float32),
        candidates_CF=oov(candidates, fields),
        candidate_sparse_CS=oov(candidates, len(schema.candidate_sparse_fields)),
        candidate_dense_CD=np.zeros((candidates, len(schema.candidate_dense_fields)), np.float32),
        user_of_C=np.zeros(candidates, np.int64),
    )
