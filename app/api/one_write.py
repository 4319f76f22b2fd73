"""A transport that sends the head of an answer together with its body."""

import asyncio
from collections.abc import Iterable
from typing import Any

HEAD = b"HTTP/"  # a body that begins so is merely sent a little later


class OneWrite(asyncio.Transport):
    """Head and body of an answer are two writes of uvicorn's: two system calls, two packets, and a
    client that wakes up twice."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None  # waits for what follows it
        self._late_flush: asyncio.Handle | None = None

    def write(self, data: Any) -> None:  # noqa: ANN401 - whatever bytes are kept in
        if self._head is not None:
            self._flush(data)
        elif data.startswith(HEAD):
            self._head = data
            self._late_flush = self._loop.call_soon(self._flush)  # there may be no body
        else:
            self._transport.write(data)

    def write_whole(self, answer: bytes) -> None:
        """Head and body at once: there is nothing to wait for."""
        self._flush()
        self._transport.write(answer)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        for data in list_of_data:
            self.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._head = None
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        return len(self._head or b"") + self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        return self._transport.get_extra_info(name, default)

    def _flush(self, body: bytes = b"") -> None:
        head, self._head = self._head, None
        if self._late_flush is not None:
            self._late_flush.cancel()
        if head is not None and not self._transport.is_closing():
            self._transport.write(head + body)
