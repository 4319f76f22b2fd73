"""Head and body of an answer leave together."""

import asyncio

import pytest

from app.api.one_write import OneWrite

pytestmark = pytest.mark.anyio


class FakeTransport(asyncio.Transport):
    """Keeps what it is told to send."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

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


async def test_what_one_turn_of_the_loop_writes_is_sent_at_once(inner: FakeTransport) -> None:
    transport = OneWrite(inner, asyncio.get_running_loop())
    transport.write(b"head")
    transport.writelines([b"-", bytearray(b"body")])
    assert inner.writes == []

    await asyncio.sleep(0)
    assert inner.writes == [b"head-body"]

    transport.write(b"next")
    await asyncio.sleep(0)
    assert inner.writes == [b"head-body", b"next"]


async def test_the_last_words_are_sent_before_it_closes(inner: FakeTransport) -> None:
    transport = OneWrite(inner, asyncio.get_running_loop())
    transport.write(b"last words")
    transport.close()
    assert inner.writes == [b"last words"]
    assert inner.closed

    await asyncio.sleep(0)
    assert inner.writes == [b"last words"]


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "aborted"])
async def test_nothing_is_sent_where_nobody_listens_any_more(
    inner: FakeTransport, lost: bool
) -> None:
    transport = OneWrite(inner, asyncio.get_running_loop())
    transport.write(b"too late")
    if lost:
        inner.closed = True
    else:
        transport.abort()
    await asyncio.sleep(0)
    assert inner.writes == []
