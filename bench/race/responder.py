"""Answers every request with the same bytes: what is left to measure is the client.

Example: python -m bench.race.responder 8001 4000
"""

import asyncio
import sys

import uvloop

from bench.race.client import END_OF_HEADER, content_length


class FixedAnswer(asyncio.Protocol):
    """Reads a request to its end, and answers it."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._missing_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self._missing_bytes:
            header, _, body = data.partition(END_OF_HEADER)
            self._missing_bytes = content_length(header) - len(body)
        else:
            self._missing_bytes -= len(data)
        if self._missing_bytes <= 0:
            self._missing_bytes = 0
            self._transport.write(self._answer)


def answer_of(size_bytes: int) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size_bytes}\r\n\r\n"
    return head.encode() + b"x" * size_bytes


async def respond(port: int, size_bytes: int) -> None:
    answer = answer_of(size_bytes)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: FixedAnswer(answer), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(respond(int(sys.argv[1]), int(sys.argv[2])))
