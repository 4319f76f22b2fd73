"""DIEN and DIN on the CPU in one native call per batch."""

from collections.abc import Mapping, Sequence
from ctypes import addressof
from functools import cache, partial
from itertools import pairwise

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray

from app.core.batch import RaggedBatch, Rows, Scores
from app.core.schema import FeatureSchema
from app.inference.fused.native_workers import NativeWorkers
from app.inference.fused.support import FusedArchitecture
from app.inference.fused.user_order import by_user, in_order
from app.inference.fused.user_state_cache import UserStateCache, UserStates
from app.inference.fused.weights import pack
from app.kernels.addresses import address_of
from app.kernels.library import Kernel
from app.kernels.structures import Batch, Model, Task
from app.models import factory

CPU = torch.device("cpu")


class KeptStates(Struct, frozen=True):
    """Where a version finds the states of users that it has seen."""

    cache: UserStateCache
    version: str


class _Plan(Struct, frozen=True):
    """Whose states are computed, and from where on."""

    lengths: Sequence[int]
    states: list[UserStates] = []
    earlier: list[UserStates] = []
    known: list[int] = []
    computed: list[tuple[str, UserStates]] = []  # to be kept, by user


class FusedRuntime:
    """Gives the reference runtime's scores to 1e-5 (tests/inference/fused)."""

    name = "fused"
    device = CPU

    def __init__(
        self,
        model: factory.Model,
        config: FusedArchitecture,
        schema: FeatureSchema,
        kernel: Kernel,
        kept: KeptStates | None = None,
    ) -> None:
        self.detail = kernel.isa
        self._kernel = kernel
        self._weights = pack(model, config, schema)
        # Of nothing that refers back to here: a version that is let go is freed at once.
        self._floats_of_user_states = cache(
            partial(kernel.floats_of_user_states, self._weights.model)
        )
        self._kept = kept

    def prepare(self, batch: RaggedBatch, user_ids: Sequence[str] = ()) -> "FusedWork":
        ordered, order_C = by_user(batch)
        plan = self._plan(ordered, user_ids)
        return FusedWork(self._kernel, self._weights.model, ordered, order_C, plan, self._kept)

    def open_workers(self, threads: int, _name: str) -> NativeWorkers:
        return NativeWorkers(self._kernel, threads)

    def score(self, batch: RaggedBatch, user_ids: Sequence[str] = ()) -> Scores:
        """Blocks its thread without the GIL; any number of threads may call it."""
        work = self.prepare(batch, user_ids)
        work.run()
        return work.scores()

    def _plan(self, batch: RaggedBatch, user_ids: Sequence[str]) -> _Plan:
        plan = _Plan(batch.lengths_U.tolist())
        first = 0
        for user, length in enumerate(plan.lengths):
            rows = batch.behaviors_NF[first : first + length].tobytes()
            first += length
            keeps = self._kept is not None and length and user < len(user_ids)
            self._plan_user(plan, user_ids[user] if keeps else None, rows, length)
        return plan

    def _plan_user(self, plan: _Plan, user_id: str | None, rows: bytes, length: int) -> None:
        found = self._find(user_id, rows)
        if found is not None and found.rows == rows:
            states, earlier, known = found, found, length
        else:
            states = UserStates.of(rows, self._empty_states(length))
            earlier = states if found is None else found
            known = 0 if found is None else len(found.rows) * length // len(rows)
            if user_id is not None:
                plan.computed.append((user_id, states))
        plan.states.append(states)
        plan.earlier.append(earlier)
        plan.known.append(known)

    def _find(self, user_id: str | None, rows: bytes) -> UserStates | None:
        if self._kept is None or user_id is None:
            return None
        return self._kept.cache.find(self._kept.version, user_id, rows)

    def _empty_states(self, behaviors: int) -> NDArray[np.float32]:
        return np.empty(self._floats_of_user_states(behaviors), np.float32)


class FusedWork:
    """A batch as the kernel's structures, and all the memory that they point to."""

    def __init__(
        self,
        kernel: Kernel,
        model: Model,
        batch: RaggedBatch,
        order_C: Rows | None,
        plan: _Plan,
        kept: KeptStates | None,
    ) -> None:
        """`order_C`: where the candidates of `batch` were before they were put in order."""
        self._kernel = kernel
        self._order_C = order_C
        self._plan = plan
        self._kept = kept
        users, candidates = len(plan.lengths), len(batch.user_of_C)
        firsts = batch.user_of_C.searchsorted(np.arange(users + 1)).tolist()
        asked = [
            length
            for length, (first, end) in zip(plan.lengths, pairwise(firsts), strict=True)
            if end > first
        ]
        longest = max(asked, default=0)
        self._rows, addresses = _end_to_end(
            {
                "lengths_U": plan.lengths,
                "first_candidate_U": firsts,
                "states_U": [states.address for states in plan.states],
                "earlier_U": [states.address for states in plan.earlier],
                "known_U": plan.known,
            },
            {
                "behaviors_NF": batch.behaviors_NF,
                "user_sparse_US": batch.user_sparse_US,
                "candidates_CF": batch.candidates_CF,
                "candidate_sparse_CS": batch.candidate_sparse_CS,
            },
        )
        self._numbers = np.concatenate(
            (batch.user_dense_UD.ravel(), batch.candidate_dense_CD.ravel())
        )
        numbers_at = address_of(self._numbers)
        self._batch = Batch(
            users=users,
            candidates=candidates,
            longest=longest,
            user_dense_UD=numbers_at,
            candidate_dense_CD=numbers_at + batch.user_dense_UD.nbytes,
            **addresses,
        )
        scores = np.zeros(candidates * (1 + longest), np.float32)
        self._logits_C = scores[:candidates]
        self._attention_CT = scores[candidates:].reshape(candidates, longest)
        logits_at = address_of(scores)
        self._model = model
        self.task = Task(
            model=addressof(model),
            batch=addressof(self._batch),
            logits_C=logits_at,
            attention_CT=logits_at + self._logits_C.nbytes,
        )

    def run(self) -> None:
        self._kernel.score(self.task)

    def failure(self) -> Exception | None:
        return MemoryError("no memory to score a batch") if self.task.failed else None

    def scores(self) -> Scores:
        """Keeps the states of its users, and gives the candidates their places back."""
        failure = self.failure()
        if failure is not None:
            raise failure
        if self._kept is not None:
            for user_id, states in self._plan.computed:
                self._kept.cache.keep(self._kept.version, user_id, states)
        return in_order(Scores(self._logits_C, self._attention_CT), self._order_C)


def _end_to_end(
    of_users: Mapping[str, Sequence[int]], rows: Mapping[str, Rows]
) -> tuple[Rows, dict[str, int]]:
    """All of them in one array, and where each begins: to ask an array for its address takes longer
    than to copy most of them."""
    begins: dict[str, int] = {}
    numbers_of_users: list[int] = []
    for name, numbers in of_users.items():
        begins[name] = len(numbers_of_users)
        numbers_of_users += numbers
    end = len(numbers_of_users)
    for name, array in rows.items():
        begins[name] = end
        end += array.size
    together = np.concatenate(
        [np.array(numbers_of_users, np.int64), *[array.ravel() for array in rows.values()]]
    )
    address, row_bytes = address_of(together), together.itemsize
    return together, {name: address + row_bytes * begin for name, begin in begins.items()}
