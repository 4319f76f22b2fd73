"""DIEN and DIN on the CPU in one native call per batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from app.core.batch import RaggedBatch, Scores
from app.core.schema import FeatureSchema
from app.inference.fused.support import FusedArchitecture
from app.inference.fused.user_order import by_user, in_order
from app.inference.fused.user_state_cache import UserStateCache, UserStates
from app.inference.fused.weights import pack
from app.kernels.library import Kernel
from app.kernels.structures import Batch
from app.models.factory import Model

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class KeptStates:
    """Where a version finds the states of users that it has seen."""

    cache: UserStateCache
    version: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """Whose states are computed, and from where on."""

    states: list[NDArray[np.float32]]
    earlier: list[NDArray[np.float32]]
    known: list[int]
    computed: list[tuple[str, UserStates]]  # to be kept, by user


class FusedRuntime:
    """Gives the reference runtime's scores to 1e-5 (tests/inference/fused)."""

    name = "fused"
    device = CPU

    def __init__(
        self,
        model: Model,
        config: FusedArchitecture,
        schema: FeatureSchema,
        kernel: Kernel,
        kept: KeptStates | None = None,
    ) -> None:
        self.detail = kernel.isa
        self._kernel = kernel
        self._weights = pack(model, config, schema)
        self._floats_of_user_states = cache(self._count_floats)
        self._kept = kept

    def score(self, batch: RaggedBatch, user_ids: Sequence[str] = ()) -> Scores:
        """Blocks its thread without the GIL; any number of threads may call it."""
        ordered, order_C = by_user(batch)
        plan = self._plan(ordered, user_ids)
        candidates = len(ordered.user_of_C)
        longest = int(ordered.lengths_U[ordered.user_of_C].max(initial=0))
        logits_C = np.empty(candidates, np.float32)
        attention_CT = np.zeros((candidates, longest), np.float32)
        self._call(ordered, plan, logits_C, attention_CT)
        if self._kept is not None:
            for user_id, states in plan.computed:
                self._kept.cache.keep(self._kept.version, user_id, states)
        return in_order(Scores(logits_C, attention_CT), order_C)

    def _plan(self, batch: RaggedBatch, user_ids: Sequence[str]) -> _Plan:
        plan = _Plan([], [], [], [])
        first = 0
        for user, length in enumerate(batch.lengths_U.tolist()):
            rows = batch.behaviors_NF[first : first + length].tobytes()
            first += length
            keeps = self._kept is not None and length and user < len(user_ids)
            self._plan_user(plan, user_ids[user] if keeps else None, rows, length)
        return plan

    def _plan_user(self, plan: _Plan, user_id: str | None, rows: bytes, length: int) -> None:
        found = self._find(user_id, rows)
        if found is not None and found.rows == rows:
            states, earlier, known = found.states, found.states, length
        else:
            states = self._empty_states(length)
            earlier = states if found is None else found.states
            known = 0 if found is None else len(found.rows) * length // len(rows)
            if user_id is not None:
                plan.computed.append((user_id, UserStates(rows, states)))
        plan.states.append(states)
        plan.earlier.append(earlier)
        plan.known.append(known)

    def _find(self, user_id: str | None, rows: bytes) -> UserStates | None:
        if self._kept is None or user_id is None:
            return None
        return self._kept.cache.find(self._kept.version, user_id, rows)

    def _empty_states(self, behaviors: int) -> NDArray[np.float32]:
        return np.empty(self._floats_of_user_states(behaviors), np.float32)

    def _count_floats(self, behaviors: int) -> int:
        return self._kernel.floats_of_user_states(self._weights.model, behaviors)

    def _call(
        self,
        batch: RaggedBatch,
        plan: _Plan,
        logits_C: NDArray[np.float32],
        attention_CT: NDArray[np.float32],
    ) -> None:
        users = len(batch.lengths_U)
        alive = {
            "lengths_U": batch.lengths_U,
            "behaviors_NF": batch.behaviors_NF,
            "user_sparse_US": batch.user_sparse_US,
            "candidates_CF": batch.candidates_CF,
            "candidate_sparse_CS": batch.candidate_sparse_CS,
            "user_dense_UD": batch.user_dense_UD,
            "candidate_dense_CD": batch.candidate_dense_CD,
            "first_candidate_U": np.searchsorted(batch.user_of_C, np.arange(users + 1)),
            "states_U": _addresses(plan.states),
            "earlier_U": _addresses(plan.earlier),
            "known_U": np.array(plan.known, np.int64),
        }
        contiguous = {name: np.ascontiguousarray(values) for name, values in alive.items()}
        self._kernel.score(
            self._weights.model,
            Batch(
                users=users,
                candidates=len(logits_C),
                longest=attention_CT.shape[1],
                **{name: array.ctypes.data for name, array in contiguous.items()},
            ),
            logits_C.ctypes.data,
            attention_CT.ctypes.data,
        )


def _addresses(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.uint64]:
    return np.array([array.ctypes.data for array in arrays], np.uint64)
