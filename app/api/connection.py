"""One client's connection: its request heads are bounded in bytes and time, and it is not cut."""

import asyncio
import logging
import selectors
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from app.api.hanging_up import CONNECTION
from app.api.last_words import last_words, last_words_of
from app.api.lifecycle import Lifecycle
from app.api.refusing_protocol import RefusingProtocol
from app.errors import NotReady

MAX_HEAD_BYTES = 2**19  # more than one read brings, which may hold other requests too
FRESH_LINGER_S = 1.0  # who has just connected is about to ask
HEAD_TOO_LARGE = 431, f"the head of a request is larger than {MAX_HEAD_BYTES} bytes"
TOO_LATE = NotReady("the service stops and could not answer in the time that it had for it")

log = logging.getLogger(__name__)


class Connection(RefusingProtocol):
    """Hangs up where uvicorn would wait for ever, and waits where it would hang up too early.

    uvicorn keeps the whole of a head that never ends, for as long as it comes. And while it
    stops, it closes connections that a request is just arriving on.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        lifecycle: Lifecycle,
        head_timeout_s: float,
        answer_timeout_s: float,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._lifecycle = lifecycle
        self._head_timeout_s = head_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._head_bytes: int | None = None  # None outside of a head
        self._head_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None  # while there is much to be read
        self._has_ended = False  # a request, with the last bytes that came
        self._answering: RequestResponseCycle | None = None  # others may be pipelined behind it
        self._tell_lost: Callable[[], object] | None = None
        self.lost = asyncio.Event()

    @classmethod
    def factory(
        cls, lifecycle: Lifecycle, *, head_timeout_s: float, answer_timeout_s: float
    ) -> Any:  # noqa: ANN401
        """In the place of a class, which is what uvicorn says it takes."""
        return partial(
            cls,
            lifecycle=lifecycle,
            head_timeout_s=head_timeout_s,
            answer_timeout_s=answer_timeout_s,
        )

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_the_next()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answering is not None:
            # No cycle is left, so that the memory is free at once.
            self._answering.scope.pop(CONNECTION, None)  # type: ignore[misc]
            if not self._answering.response_complete:
                self._answering.disconnected = True  # uvicorn tells the last request only
                self._answering.message_event.set()
        self._unset_keepalive_if_required()
        self._stop_head_timer()
        self._stop_answer_timer()
        self.lost.set()
        if self._tell_lost is not None:
            self._tell_lost()

    def tell_when_lost(self, told: Callable[[], object] | None) -> None:
        self._tell_lost = told
        if told is not None and self.lost.is_set():
            told()

    def has_whole_body(self) -> bool:
        return self._answering is not None and not self._answering.more_body

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        cycle.scope[CONNECTION] = self  # type: ignore[literal-required]
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        self._has_ended = False
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._hang_up_on_head(*HEAD_TOO_LARGE)
        if self._head_bytes is not None or (self._is_idle() and not self._has_ended):
            self._start_head_timer()  # also for a body that nobody waits for, and for blank lines
            return
        self._stop_head_timer()
        if self._is_idle() and self.timeout_keep_alive_task is None:
            self._wait_for_the_next()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_timer = self.loop.call_later(self._answer_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_answer_timer()

    def timeout_keep_alive_handler(self) -> None:
        """Closing would wait, for ever if need be, until the client has read what was written."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.asks_for_another_protocol():
            return
        self._head_bytes = None
        super().on_headers_complete()
        last = self._last_request()
        if last is not None and self._lifecycle.is_stopping:
            last.keep_alive = False

    def on_message_complete(self) -> None:
        if self.asks_for_another_protocol():
            return
        self._has_ended = True
        super().on_message_complete()

    def stays_open(self) -> bool:
        return super().stays_open() and not self._lifecycle.is_stopping

    def shutdown(self) -> None:
        """Nobody new is let in any more: leaves now, or with the answer to the last request."""
        last = self._last_request()
        if last is None:
            self.loop.call_later(FRESH_LINGER_S, self._leave_if_nothing_comes)
        elif last.response_complete:
            self._leave_if_nothing_comes()
        else:
            last.keep_alive = False

    def give_up(self) -> None:
        """The grace time is over: says so to whoever still waits for an answer."""
        last = self._last_request()
        if last is not None and not last.response_started:
            self._hang_up(last_words_of(TOO_LATE))
            last.disconnected = True  # what it may still say would come after the last words
        self.transport.close()

    def _last_request(self) -> RequestResponseCycle | None:
        return self.cycle  # None before the first one, which uvicorn does not say

    def _leave_if_nothing_comes(self) -> None:
        if self._is_idle() and self._head_bytes is None and not self._has_unread_bytes():
            self.transport.close()

    def _has_unread_bytes(self) -> bool:
        """In the kernel; closing now would answer them with a reset."""
        if self.transport.is_closing():
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self.transport.get_extra_info("socket"), selectors.EVENT_READ)
            return bool(selector.select(0))

    def _wait_for_the_next(self) -> None:
        if not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _start_head_timer(self) -> None:
        if self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self._head_timeout_s, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self._is_idle():  # it waits behind a request that is being answered
            self._start_head_timer()
        elif self._head_bytes is None:
            self.transport.close()
        else:
            seconds = f"{self._head_timeout_s:g}"
            self._hang_up_on_head(408, f"the head of the request did not end within {seconds} s")

    def _hang_up_on_head(self, status: int, detail: str) -> None:
        if not self.transport.is_closing():
            self._hang_up(last_words(status, detail))
            self.count_unmatched(status)

    def _hang_up(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
