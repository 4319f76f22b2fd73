"""A server beside the command that talks to it: it runs in a thread until the block ends."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn

from app.errors import StartupRefused

CHECK_EVERY_S = 0.02


@contextmanager
def running_in_background(server: uvicorn.Server, listener: socket) -> Iterator[None]:
    """Yields once the server answers; drains and stops it at the end."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise StartupRefused("the server stopped while starting; the log says why")
            time.sleep(CHECK_EVERY_S)
        yield
    finally:
        server.should_exit = True
        thread.join()
