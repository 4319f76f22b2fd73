"""Refuses rank requests before they become a task: under overload, refusing must cost next to
nothing, or it takes the time of those who could be answered."""

import asyncio
import time
from functools import cached_property
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.api.door import RANK_PATH, Door
from app.api.last_words import last_words
from app.api.one_write import OneWrite
from app.api.plain_http import PlainHttpProtocol
from app.api.problem_json import MEDIA_TYPE, problem_json
from app.api.rank_routes import ENTRY
from app.api.request_context import REQUEST_ID, UNMATCHED, request_id_of
from app.errors import Overloaded

URL = RANK_PATH.encode()
STATUS_LINE = f"HTTP/1.1 {Overloaded.status} {HTTPStatus(Overloaded.status).phrase}"


class RefusingProtocol(PlainHttpProtocol):
    """Asks the application's door, if it has one, as soon as a head is complete."""

    _refused = False  # the rest of its body is passed over
    _hangs_up = False  # after it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._writes = OneWrite(transport, self.loop)
        super().connection_made(self._writes)

    def on_headers_complete(self) -> None:
        door = self._door
        # What is pipelined behind another request waits for it first; its endpoint asks the door.
        if door is not None and self._is_rank_request() and self._is_idle():
            started_s = time.perf_counter()
            try:
                self.scope[ENTRY] = door.enter(self.headers)  # type: ignore[literal-required]
            except Overloaded as refusal:
                self._refuse(refusal, door, started_s)
                return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            super().on_message_complete()
            return
        self._refused = False
        if self._hangs_up:
            self.transport.close()  # not before: unread bytes would turn the answer into a reset
            return
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def send_400_response(self, msg: str) -> None:
        """uvicorn's own is plain text, and everything else here a problem."""
        self.count_unmatched(HTTPStatus.BAD_REQUEST)
        self.transport.write(last_words(HTTPStatus.BAD_REQUEST, msg))
        self.transport.close()

    def count_unmatched(self, status: int) -> None:
        """An answer to what never became a request of the application."""
        if self._door is not None:
            self._door.metrics.requests.labels(UNMATCHED, int(status)).inc()

    def stays_open(self) -> bool:
        """After the answer to the request whose head has just been read."""
        return bool(self.parser.should_keep_alive())

    @cached_property
    def _door(self) -> Door | None:
        return getattr(self.config.app, "door", None)

    def _is_rank_request(self) -> bool:
        return self.url == URL and self.parser.get_method() == b"POST"

    def _is_idle(self) -> bool:
        last: RequestResponseCycle | None = self.cycle  # uvicorn does not say that it may be None
        return last is None or last.response_complete

    def _refuse(self, refusal: Overloaded, door: Door, started_s: float) -> None:
        self._refused = True
        self.server_state.total_requests += 1
        request_id = request_id_of(self.headers)
        stays = self.stays_open()
        self._hangs_up = not stays
        content = problem_json(
            refusal.slug,
            status=refusal.status,
            title=refusal.title,
            detail=refusal.detail,
            request_id=request_id,
        )
        seconds = time.perf_counter() - started_s
        head = (
            f"{STATUS_LINE}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(content)}\r\n"
            f"Retry-After: {refusal.retry_after_s}\r\n{REQUEST_ID}: {request_id}\r\n"
            f"Server-Timing: total;dur={seconds * 1e3:.3f}\r\n"
            f"Connection: {'keep-alive' if stays else 'close'}\r\n\r\n"
        )
        self._writes.write_whole(head.encode() + content)
        door.count_answered_refusal(seconds)
