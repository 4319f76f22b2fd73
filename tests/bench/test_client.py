"""The load client, against a server that answers fixed bytes on this machine."""

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from bench.race.client import Address, closed_loop, content_length, open_loop
from bench.race.responder import FixedAnswer, answer_of

REQUEST = (b"POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nab", b"cdef")


@pytest.fixture
def address() -> Iterator[Address]:
    """Of a responder in a thread."""
    loop = asyncio.new_event_loop()
    create = loop.create_server(lambda: FixedAnswer(answer_of(5000)), "127.0.0.1", 0)
    server = loop.run_until_complete(create)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield Address(*server.sockets[0].getsockname())
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_every_request_of_an_open_loop_is_answered_after_its_time(address):
    times = np.linspace(0, 0.2, 100)

    outcomes = open_loop(address, [REQUEST], times)

    assert (outcomes.status_N == 200).all()
    np.testing.assert_allclose(outcomes.intended_s_N - outcomes.intended_s_N[0], times, atol=1e-6)
    assert (outcomes.released_s_N >= outcomes.intended_s_N).all()
    assert (outcomes.done_s_N >= outcomes.released_s_N).all()


def test_answers_are_handed_to_whoever_wants_to_keep_them(address):
    kept = {}

    open_loop(
        address,
        [REQUEST],
        np.linspace(0, 0.1, 20),
        keep=lambda index, status, content: kept.update({index: (status, content)}),
    )

    assert sorted(kept) == list(range(20))
    _, _, content = answer_of(5000).partition(b"\r\n\r\n")
    assert set(kept.values()) == {(200, content)}


def test_a_closed_loop_has_no_more_under_way_than_connections(address):
    outcomes = closed_loop(address, [REQUEST], connections=3, seconds=0.2)

    under_way = [
        ((outcomes.released_s_N <= moment) & (outcomes.done_s_N > moment)).sum()
        for moment in outcomes.released_s_N
    ]
    assert (outcomes.status_N == 200).all()
    assert 1 <= max(under_way) <= 3


def test_nobody_listens_and_every_request_is_unanswered():
    nobody = Address("127.0.0.1", 1)

    outcomes = open_loop(nobody, [REQUEST], np.array([0.0, 0.01]), grace_s=0.0)

    assert outcomes.status_N.tolist() == [0, 0]
    assert np.isnan(outcomes.done_s_N).all()


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\nDate: x", 12),
        (b"HTTP/1.1 200 OK\r\nContent-Length:7", 7),
        (b"HTTP/1.1 204 No Content", 0),
    ],
)
def test_the_length_of_an_answer_is_read_in_any_spelling(header, length):
    assert content_length(header) == length
