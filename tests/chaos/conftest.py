"""The service as a process of its own behind the proxy, and a table of what requests saw."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.artifacts import publish_tiny_version
from tests.chaos.fault_proxy import FaultProxy, fault_proxy
from tests.chaos.storm import DEADLINE_MS, Storm
from tests.redis_process import RedisProcess, redis_process
from tests.serving import RunningService, service_process

REDIS_TIMEOUT_MS = 50
NOTES = pytest.StashKey[list[str]]()
ROWS = pytest.StashKey[list[str]]()
COLUMNS = (
    *("fault", "requests", "statuses", "late", "p99 ms", "latest ms", "during the fault"),
    *("back after s", "of another user"),
)
HEAD = (f"| {' | '.join(COLUMNS)} |", "|---|--:|---|--:|--:|--:|---|--:|--:|")


class Report:
    """A row for each storm, and what else there is to tell."""

    def __init__(self, rows: list[str], notes: list[str]) -> None:
        self._rows = rows
        self._notes = notes

    def note(self, text: str) -> None:
        self._notes.append(text)

    def add(self, name: str, storm: Storm) -> None:
        rungs = storm.rungs(storm.fault_begun_s, storm.fault_over_s)
        seen = ", ".join(f"{count} {rung or 'fresh'}" for rung, count in rungs.most_common())
        statuses = ", ".join(f"{n}x {status}" for status, n in storm.statuses.most_common())
        late = int((storm.outcomes.latencies_s() * 1e3 > DEADLINE_MS).sum())
        self._rows.append(
            f"| {name} | {len(storm.users_N)} | {statuses} | {late} | {storm.p99_ms():.1f} "
            f"| {storm.latest_ms():.1f} | {seen} | {storm.recovered_after_s():.2f} "
            f"| {storm.foreign_answers()} |"
        )


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    stash = request.config.stash
    return Report(stash.setdefault(ROWS, []), stash.setdefault(NOTES, []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = terminalreporter.config.stash.get(ROWS, [])
    notes = terminalreporter.config.stash.get(NOTES, [])
    if rows or notes:
        terminalreporter.section(f"what requests with {DEADLINE_MS} ms saw of Redis in trouble")
        terminalreporter.write_line("\n".join((*HEAD, *rows, *notes) if rows else notes))


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("model_store")
    publish_tiny_version(root, side_fields=())
    return root


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def proxy(redis: RedisProcess) -> Iterator[FaultProxy]:
    with fault_proxy(f"127.0.0.1:{redis.port}") as running:
        yield running


@pytest.fixture
def service(model_store: Path, proxy: FaultProxy) -> Iterator[RunningService]:
    with service_with(model_store, CTR_REDIS_URL=proxy.url) as running:
        yield running


@contextmanager
def service_with(model_store: Path, **settings: str) -> Iterator[RunningService]:
    """As a process of its own, which computes while this one makes the load."""
    settings |= {
        "CTR_MODEL_STORE": str(model_store),
        "CTR_REDIS_TIMEOUT_MS": str(REDIS_TIMEOUT_MS),
    }
    with service_process(settings) as running:
        # Nobody reads its log, and a full pipe would stop it.
        assert running.process.stderr is not None
        drain = threading.Thread(target=running.process.stderr.read)
        drain.start()
        yield running.service
        running.process.terminate()
        drain.join()
