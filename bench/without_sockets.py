"""The service without a server around it and without its kernel: what is left is Python's work."""

import asyncio
import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from starlette.types import ASGIApp, Message, Scope

from app.inference.fused.native_workers import NativeWork, NativeWorkers
from app.inference.workers import Done
from app.kernels.structures import Batch

COMPUTE_S = 1e-3  # what the stub says that it took
# As a kernel would, the stub gives each candidate another score: equal ones are ordered sooner.
LOGITS = np.random.default_rng(7).normal(-3, 1, 100_000).astype(np.float32)


@contextmanager
def stub_for_kernel() -> Iterator[None]:
    """Batches have their scores at the loop's next turn."""
    start = NativeWorkers.start
    NativeWorkers.start = _answer_at_once  # type: ignore[method-assign]
    try:
        yield
    finally:
        NativeWorkers.start = start  # type: ignore[method-assign]


async def rank_all(application: ASGIApp, bodies: Sequence[bytes], at_once: int) -> None:
    """So many requests start together, and the next ones once all of those are answered."""
    for first in range(0, len(bodies), at_once):
        await asyncio.gather(
            *(_rank(application, body) for body in bodies[first : first + at_once])
        )


def _answer_at_once(self: NativeWorkers, work: NativeWork, done: Done) -> None:
    task = work.task
    ctypes.memmove(task.logits_C, LOGITS.ctypes.data, 4 * Batch.from_address(task.batch).candidates)
    asyncio.get_running_loop().call_soon(done, None, COMPUTE_S)


async def _rank(application: ASGIApp, body: bytes) -> None:
    """Raises RuntimeError for an answer that is no ranking."""
    statuses = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await application(_scope_of(body), receive, send)
    if statuses != [200]:
        raise RuntimeError(f"answered with {statuses}")


def _scope_of(body: bytes) -> Scope:
    headers = [(b"host", b"localhost:8000"), (b"content-length", b"%d" % len(body))]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/rank",
        "raw_path": b"/v1/rank",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
