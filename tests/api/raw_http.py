"""HTTP written by hand, for what no client would send."""

import socket
from contextlib import suppress
from dataclasses import dataclass

from tests.serving import RunningService


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back until the server closed the connection."""

    status: int
    headers: dict[str, str]
    content: bytes


def exchange(service: RunningService, sent: bytes, *, half_close: bool = False) -> bytes:
    """Everything the server says until it hangs up.

    half_close: says that nothing more will come, as a client does that dies while it sends.
    """
    with service.connect() as connection:
        # The server may hang up before it has read everything, or throw away what it did not read.
        with suppress(ConnectionError):
            connection.sendall(sent)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        return read_to_end(connection)


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionError):
        while chunk := connection.recv(2**16):
            received += chunk
    return received


def parse(received: bytes) -> RawAnswer:
    head, _, content = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(": ") for line in lines)
    return RawAnswer(
        int(status_line.split(" ")[1]), {name.lower(): value for name, _, value in fields}, content
    )


def post(content: bytes, *headers: str, version: str = "1.1") -> bytes:
    """A request whose headers are exactly these, on a connection of its own."""
    head = [f"POST /v1/rank HTTP/{version}", "Host: test", "Connection: close", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + content


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


LAST_CHUNK = b"0\r\n\r\n"
