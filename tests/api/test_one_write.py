"""Head and body of an answer leave together."""

import asyncio

import pytest

from app.api.one_write import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"

pytestmark = pytest.mark.anyio


class FakeTransport(asyncio.Transport):
    """Keeps what it is told to send."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data) -> None:
        assert not self.closed, "written after it was closed"
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed


@pytest.fixture
def inner() -> FakeTransport:
    return FakeTransport()


async def test_the_head_of_an_answer_waits_for_its_body(inner: FakeTransport) -> None:
    transport = OneWrite(inner, asyncio.get_running_loop())
    transport.write(HEAD)
    assert inner.writes == []
    assert transport.get_write_buffer_size() == len(HEAD)

    transport.write(b"body")
    assert inner.writes == [HEAD + b"body"]

    transport.writelines([b"more", b"of it"])
    await asyncio.sleep(0)
    assert inner.writes == [HEAD + b"body", b"more", b"of it"]


async def test_a_head_without_a_body_leaves_with_the_next_turn_of_the_loop(
    inner: FakeTransport,
) -> None:
    transport = OneWrite(inner, asyncio.get_running_loop())
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert inner.writes == [HEAD]


async def test_the_last_words_are_sent_before_it_closes(inner: FakeTransport) -> None:
    transport = OneWrite(inner, asyncio.get_running_loop())
    transport.write(HEAD)
    transport.close()
    assert inner.writes == [HEAD]
    assert inner.closed

    await asyncio.sleep(0)
    assert inner.writes == [HEAD]


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "aborted"])
async def test_nothing_is_sent_where_nobody_listens_any_more(
    inner: FakeTransport, lost: bool
) -> None:
    transport = OneWrite(inner, asyncio.get_running_loop())
    transport.write(HEAD)
    if lost:
        inner.closed = True
    else:
        transport.abort()
    await asyncio.sleep(0)
    assert inner.writes == []
