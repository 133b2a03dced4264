"""Reading replies from bytes: one after the other, as llhttp parses them."""

from __future__ import annotations

from collections.abc import Callable

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from atoll.contracts import Error
from atoll.resilience import Lost, Unreadable
from atoll.transport.http.client.httptools.stream import Incoming
from atoll.transport.http.client.port import HttpReply

HEAD_LIMIT = 65_536  # bytes of a reply's headers, and of whatever else is not its body
_SWITCHING, _FIRST_REPLY, _NOT_MODIFIED = 101, 200, 304
_USUAL = (
    "content-type",
    "content-length",
    "x-request-id",
    "Content-Type",
    "Content-Length",
    "date",
    "Date",
    "connection",
)
_TEXT = {name.encode(): name.lower() for name in _USUAL}


class ReplyReader:
    """The replies of one connection; `begin` each. limit: bytes of a body.

    ended: it is complete. reusable: whether the next reply may come over the same connection.
    """

    __slots__ = (
        "_bodiless", "_chunks", "_failure", "_head_done", "_headers", "_incoming", "_length_known", "_limit", "_on_head",
        "_parser", "_size", "_status", "_unbodied", "_url", "ended", "reusable",
    )  # fmt: skip

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parser = HttpResponseParser(self)
        self._incoming: Incoming | None = None
        self._on_head: Callable[[HttpReply], None] | None = None
        self._failure: Error | None = None
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._url = ""
        self._status = self._size = self._unbodied = 0
        self._head_done = self._length_known = self._bodiless = self.ended = self.reusable = False

    def begin(
        self,
        url: str,
        *,
        bodiless: bool = False,
        incoming: Incoming | None = None,
        on_head: Callable[[HttpReply], None] | None = None,
    ) -> None:
        """The next reply. bodiless: it has no body, whatever it says (HEAD). incoming: where its body goes as it comes.

        on_head: called with all but the body of a stream, as soon as that has come. url: for messages.
        """
        self._url = url
        self._incoming, self._on_head = incoming, on_head
        self._headers, self._chunks = {}, []
        self._status = self._size = self._unbodied = 0
        self._head_done = self._length_known = self.ended = False
        self._bodiless = bodiless

    def feed(self, data: bytes) -> None:
        """More bytes. Unreadable for what is refused; Lost for what is no HTTP."""
        self._unbodied += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.ended:
                refused, self._failure = self._failure, None
                raise refused or Lost(f"{self._url} answered with something that is no HTTP: {error}") from None
            self.reusable = False  # what was asked for is complete; what follows it is of no use
        if self._unbodied > HEAD_LIMIT and not self.ended:
            raise Unreadable(f"{self._url} answered with more than {HEAD_LIMIT} bytes of headers")

    def end(self, *, delimits: bool) -> None:
        """There will be no more. delimits: whether that ends a body of unknown length; Lost if something is missing."""
        if self._head_done and not self._length_known and delimits:
            self.ended, self.reusable = True, False
        if not self.ended:
            half = "its answer was complete" if self._head_done else "it had answered"
            raise Lost(f"the connection to {self._url} broke before {half}")

    def drop(self) -> None:
        """Nothing more will be read: the parser and this would keep each other alive."""
        del self._parser

    @property
    def keep_alive(self) -> str | None:
        """The header by which some servers tell how long they keep the connection."""
        return self._headers.get("keep-alive")

    def whole(self) -> HttpReply:
        """The reply that has ended; it is forgotten here, for an idle connection needs no body."""
        chunks, self._chunks = self._chunks, []
        self._incoming = self._on_head = None
        return HttpReply(self._status, self._headers, chunks[0] if len(chunks) == 1 else b"".join(chunks))

    # What the parser tells. Whatever is raised in here reaches `feed` as an error of the parser.

    def on_message_begin(self) -> None:
        if self.ended:
            self.reusable = False  # more than was asked for: this connection is not to be trusted

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_done:
            return  # a trailer, which is no header (RFC 9110, section 6.5.1)
        text = _TEXT.get(name) or name.decode("latin-1").lower()
        found = value.decode("latin-1").rstrip(" \t")
        before = self._headers.get(text)
        self._headers[text] = found if before is None else f"{before}, {found}"

    def on_headers_complete(self) -> None:
        if self.ended:
            return
        status = self._status = self._parser.get_status_code()
        if status == _SWITCHING:
            self._refuse("switched to another protocol, which nobody asked for")
        if status < _FIRST_REPLY:
            return  # an interim reply (RFC 9110, section 15.2): what counts comes after it
        headers = self._headers
        self._head_done = True
        coding = headers.get("transfer-encoding", "")
        self._length_known = coding.lower().endswith("chunked") or (not coding and "content-length" in headers)
        if self._bodiless:  # what followed would be taken for a body, so nothing may follow
            self.ended, self.reusable = True, False
        elif self._on_head is not None:
            self._on_head(HttpReply(status, headers, b""))
        elif (length := headers.get("content-length")) is not None and status != _NOT_MODIFIED:
            self._check_length(length)

    def on_body(self, body: bytes) -> None:
        if self.ended:
            return
        if not self._head_done:
            self._refuse("sent an interim reply with a body")
        self._unbodied = 0
        if self._incoming is not None:
            self._incoming.take(body)
            return
        self._size += len(body)
        if self._size > self._limit:
            self._refuse(f"answered with more than {self._limit} bytes")
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self.ended:
            return
        if self._status < _FIRST_REPLY:
            self._headers = {}
            return
        self.ended, self.reusable = True, self._parser.should_keep_alive()

    def _check_length(self, length: str) -> None:
        if length.isdigit() and int(length) > self._limit:
            self._refuse(f"answered with {length} bytes; at most {self._limit} are read")

    def _refuse(self, what: str) -> None:
        self._failure = Unreadable(f"{self._url} {what}")
        raise self._failure
