"""`/health/live` on a port and a thread of its own, which tells a blocked event loop."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from app.api.last_words import last_words

LIVE_PATH = "/health/live"
MAX_CLIENTS = 32  # probes come one at a time; whoever has been here longest makes way
MAX_HEAD_BYTES = 8192
CLIENT_TIMEOUT_S = 2.0
ACCEPT_AGAIN_S = 0.05  # where there are no more descriptors
END_OF_HEAD = b"\r\n\r\n"
ALIVE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n"
    b'Connection: close\r\n\r\n{"status":"live"}'
)


@contextmanager
def liveness_answered(
    listener: socket.socket, blocked_s: Callable[[], float], *, blocked_after_s: float
) -> Iterator[int]:
    """Answers on the listener until the block ends; yields its port.

    `blocked_s` tells for how long the event loop has been blocked, if it has.
    """

    def answer(head: bytes) -> bytes:
        method, path, *_ = [*head.split(b"\r\n", 1)[0].split(b" "), b"", b""]
        whole = answer_to(method, path.decode("latin-1"))
        return whole.partition(END_OF_HEAD)[0] + END_OF_HEAD if method == b"HEAD" else whole

    def answer_to(method: bytes, path: str) -> bytes:
        if method not in {b"GET", b"HEAD"} or path != LIVE_PATH:
            return last_words(404, f"only GET and HEAD {LIVE_PATH} are answered here")
        seconds = blocked_s()
        if seconds < blocked_after_s:
            return ALIVE
        return last_words(
            503,
            f"the event loop has been blocked for {seconds:.1f} s; {blocked_after_s:g} s are too "
            "long",
        )

    listener.listen()
    listener.setblocking(False)
    waking, woken = socket.socketpair()
    with waking, woken:
        probes = _Probes(listener, woken, answer)
        thread = threading.Thread(target=probes.answer_all, name="liveness", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            waking.send(b"x")
            thread.join()


@dataclass(slots=True)
class _Client:
    leaves_at_s: float
    head: bytes = b""


class _Probes:
    """Clients that have not finished asking, the oldest first; none of them holds up another."""

    def __init__(
        self, listener: socket.socket, woken: socket.socket, answer: Callable[[bytes], bytes]
    ) -> None:
        self._listener = listener
        self._woken = woken
        self._answer = answer
        self._selector = selectors.DefaultSelector()
        self._clients: dict[socket.socket, _Client] = {}

    def answer_all(self) -> None:
        """Until it is woken."""
        for readable in (self._listener, self._woken):
            self._selector.register(readable, selectors.EVENT_READ)
        with self._selector:
            while self._answer_some():
                self._drop_the_late()
            while self._clients:
                self._drop_the_oldest()

    def _answer_some(self) -> bool:
        for key, _ in self._selector.select(self._patience_s()):
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.fileobj, socket.socket):
                self._read(key.fileobj)
        return True

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            time.sleep(ACCEPT_AGAIN_S)
            return
        client.setblocking(False)
        if len(self._clients) == MAX_CLIENTS:
            self._drop_the_oldest()
        self._clients[client] = _Client(leaves_at_s=time.monotonic() + CLIENT_TIMEOUT_S)
        self._selector.register(client, selectors.EVENT_READ)

    def _read(self, client: socket.socket) -> None:
        asking = self._clients.get(client)
        if asking is None:
            return  # it made way for another one in the same turn
        received = b""
        with suppress(OSError):  # it left
            received = client.recv(MAX_HEAD_BYTES)
            asking.head += received
            if END_OF_HEAD in asking.head:
                client.send(self._answer(asking.head))  # far less than a socket's buffer
                received = b""
        if not received or len(asking.head) > MAX_HEAD_BYTES:
            self._drop(client)

    def _patience_s(self) -> float | None:
        """Until the oldest client has to leave; None while there is none."""
        for oldest in self._clients.values():
            return max(0.0, oldest.leaves_at_s - time.monotonic())
        return None

    def _drop_the_late(self) -> None:
        while self._patience_s() == 0:
            self._drop_the_oldest()

    def _drop_the_oldest(self) -> None:
        self._drop(next(iter(self._clients)))

    def _drop(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._clients[client]
        client.close()
