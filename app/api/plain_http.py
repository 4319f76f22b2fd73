"""Answers requests that ask to go on in another protocol in the one that they came in.

RFC 9110 lets a server ignore `Upgrade`. Java's HttpClient asks for h2c in the first request of a
connection, with the body behind it, and uvicorn throws away what follows such a head.
"""

import sys

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

UPGRADE = b"upgrade"
CONNECT = b"CONNECT"  # asks for nothing else: there is no such head that asks nothing


class PlainHttpProtocol(HttpToolsProtocol):
    """Reads such a head once more, without the header that asks.

    Until then it is no request: whoever overrides the parser's callbacks passes over it. CONNECT
    is one that is refused, and what follows it is meant for somebody else.
    """

    _being_read = b""
    _to_be_read = b""

    def data_received(self, data: bytes) -> None:
        self._to_be_read = data
        while self._to_be_read:
            self._being_read, self._to_be_read = self._to_be_read, b""
            super().data_received(self._being_read)
        self._being_read = b""

    def asks_for_another_protocol(self) -> bool:
        """The head that the parser has come to the end of."""
        return self.parser.should_upgrade() and self.parser.get_method() != CONNECT

    def _unsupported_upgrade_warning(self) -> None:
        """What uvicorn does while it handles the parser's exception."""
        if self.parser.get_method() == CONNECT:
            self.cycle.keep_alive = False
            return
        asked = sys.exception()
        assert isinstance(asked, httptools.HttpParserUpgrade)  # noqa: S101 - uvicorn has caught it
        behind_the_head: int = asked.args[0]
        self._to_be_read = self._head_that_asks_nothing() + self._being_read[behind_the_head:]
        self.parser = httptools.HttpRequestParser(self)  # the other one has stopped
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def _head_that_asks_nothing(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != UPGRADE]
        return b"\r\n".join([*lines, b"\r\n"])
