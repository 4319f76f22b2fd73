"""A run says in each request how long its answer may take: only overload is in a hurry."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from bench.race.contestants import Contestant
from bench.race.measuring import Course
from bench.race.responder import FixedAnswer, answer_of
from bench.race.running import Running
from bench.race.schedule import UserStream
from bench.race.workload import KnownIds, Shape

SHAPE = Shape(2, 3, 0.0)
WHOLE_WORK, IN_A_HURRY = b"X-Deadline-Ms: 10000", b"X-Deadline-Ms: 250"


class Listening(FixedAnswer):
    """Keeps what each request states."""

    def __init__(self, stated: set[bytes]) -> None:
        super().__init__(answer_of(10))
        self._stated = stated

    def data_received(self, data: bytes) -> None:
        request, *lines = data.split(b"\r\n")
        if request.startswith(b"POST"):  # what else comes is the rest of a body
            stated = {line for line in lines if line.startswith(b"X-Deadline-Ms")}
            self._stated |= stated or {b"none"}
        super().data_received(data)


@pytest.fixture
def stated() -> set[bytes]:
    return set()


@pytest.fixture
def course(stated, tmp_path, monkeypatch) -> Iterator[Course]:
    """Of a server in a thread."""
    monkeypatch.setenv("PATH", str(tmp_path))  # without wrk, whose runs last whole seconds
    loop = asyncio.new_event_loop()
    create = loop.create_server(lambda: Listening(stated), "127.0.0.1", 0)
    server = loop.run_until_complete(create)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = Running(Contestant("", ()), server.sockets[0].getsockname()[1], os.getpid())
    yield Course(running, KnownIds(["item"], ["category"]), UserStream(10), tmp_path)
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_closed_loop_has_time_for_whole_work(course, stated):
    course.warm_up(SHAPE, 0.05)
    course.closed(SHAPE, 0.05, 1)

    assert stated == {WHOLE_WORK}


def test_equal_load_has_time_for_whole_work(course, stated):
    course.at_equal_load(SHAPE, 200, 0.05, 1)

    assert stated == {WHOLE_WORK}


def test_under_overload_what_is_late_is_worth_nothing(course, stated):
    course.overloaded(SHAPE, 200, 0.05)

    assert stated == {IN_A_HURRY}
