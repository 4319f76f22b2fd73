"""The client against a server that does nothing: how many requests/s the client itself manages."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.race.client import Address, closed_loop
from bench.race.contestants import Contestant
from bench.race.latency import summarize
from bench.race.measuring import CONNECTIONS
from bench.race.running import free_port
from bench.race.schedule import UserStream
from bench.race.workload import USERS, KnownIds, Shape, make_requests
from bench.race.wrk import run_wrk, wrk_is_here

SECONDS = 3
BYTES_PER_CANDIDATE = 60  # of an answer


@dataclass(frozen=True, slots=True)
class ClientCeiling:
    """Requests/s against fixed answers of the same size, on the same machine."""

    candidates: int
    request_bytes: int
    answer_bytes: int
    own_client_per_s: float
    wrk_per_s: float  # 0 without wrk


def client_ceiling(shape: Shape, ids: KnownIds, work: Path) -> ClientCeiling:
    port, answer_bytes = free_port(), BYTES_PER_CANDIDATE * shape.candidates
    wires = make_requests(shape, ids, UserStream(USERS), 20_000).wires(Contestant("", ()))
    command = [sys.executable, "-m", "bench.race.responder", str(port), str(answer_bytes)]
    with subprocess.Popen(command) as responder:
        try:
            _wait_until_it_listens(port)
            address = Address("127.0.0.1", port)
            own = summarize(closed_loop(address, wires, connections=CONNECTIONS, seconds=SECONDS))
            wrk_per_s = 0.0
            if wrk_is_here():
                wrk = run_wrk(address, wires, work, connections=CONNECTIONS, seconds=SECONDS)
                wrk_per_s = wrk.good / wrk.seconds
        finally:
            responder.terminate()
    request_bytes = sum(map(len, wires[0]))
    return ClientCeiling(
        shape.candidates, request_bytes, answer_bytes, own.requests_per_s, wrk_per_s
    )


def _wait_until_it_listens(port: int) -> None:
    for _ in range(200):
        try:
            httpx.post(f"http://127.0.0.1:{port}", content=b"x")
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    sys.exit("bench.race.responder does not listen")
