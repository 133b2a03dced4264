"""An ASGI application on a port: uvicorn's HTTP protocol (httptools), with the limits it lacks.

uvicorn's own `Server` polls, installs signal handlers and exits the process; what it does besides is little, and here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from atoll.contracts import BadRequest, Error
from atoll.transport.http.errors import HeadersTooLarge, RequestTimeout
from atoll.transport.http.limits import HttpLimits
from atoll.transport.http.server.accepting import Acceptor
from atoll.transport.http.server.app import HttpApp
from atoll.transport.http.server.asgi import LEFT, RECEIVED
from atoll.transport.http.server.replies import CLOSE_HEADER, problem_reply
from atoll.transport.http.server.unread import Unread

log = logging.getLogger("atoll.http")
SWEEP = 1.0  # seconds between two looks at who is too slow
NOTICE = 0.1  # seconds for a request to notice that its client was cut off
LAST_WORD = 1.0  # seconds for what is cut off to notice that
PIPELINED = 8  # requests that wait behind the one being answered; with so many, no more is parsed or read
SLICE = 4096  # bytes that are parsed at once: the requests in one may wait beyond PIPELINED
_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class HttpServer:
    """A `Component`: `start` binds and serves, `stop` drains. It installs no signal handlers.

    port 0 takes a free one; ``port`` tells which after `start`.
    """

    def __init__(
        self, app: HttpApp, host: str = "127.0.0.1", port: int = 8000, limits: HttpLimits | None = None
    ) -> None:
        self.host = host
        self.port = port
        self._app = app
        self._limits = limits or HttpLimits()
        self._state = ServerState()
        self._acceptor: Acceptor | None = None
        self._lifespan: LifespanOn | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()

    async def start(self) -> None:
        """Starts mounted applications, binds and accepts; OSError with one line if the address cannot be had."""
        listener = _bind(self.host, self.port)
        try:
            config = _config(self._app, self._limits)
            self._lifespan = LifespanOn(config)
            await self._lifespan.startup()
            if self._lifespan.should_exit:
                raise RuntimeError("a mounted application refused to start; the log above says why")
            loop = asyncio.get_running_loop()
            app_state: dict[str, Any] = {}
            acceptor = Acceptor(
                listener, lambda: _Connection(config, self._state, app_state, self._limits, loop, self._gone.set)
            )
            acceptor.start(self._limits.backlog)
            self._acceptor = acceptor
        except BaseException:
            listener.close()
            await self._end_lifespan(LAST_WORD)
            raise
        self.port = listener.getsockname()[1]
        self._sweep = loop.call_later(SWEEP, self._sweep_slow)

    async def stop(self) -> None:
        """Stops accepting and waits for what is in flight; when it is cancelled (the grace is over), it ends the rest."""
        if self._acceptor is None:
            return
        acceptor, self._acceptor = self._acceptor, None
        acceptor.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        within: float | None = None
        try:
            await self._app.drain()
            await self._read()
        except asyncio.CancelledError:
            within = LAST_WORD
            what = ", ".join(self._unanswered()) or ("streams" if self._app.in_flight else "replies that are not read")
            log.warning("cut off %d requests: %s", self._app.in_flight or len(self._connections()), what)
            raise
        finally:
            await self._end(within)

    def _connections(self) -> list[_Connection]:
        return [one for one in self._state.connections if isinstance(one, _Connection)]

    async def _read(self) -> None:
        """Until clients have taken the replies that wait for them."""
        for connection in self._connections():
            connection.transport.close()
        while self._connections():
            self._gone.clear()
            await self._gone.wait()

    def _unanswered(self) -> list[str]:
        """The requests that are being answered, without their queries."""
        running = [one.running for one in self._connections()]
        return [f"{cycle.scope['method']} {cycle.scope['path']}" for cycle in running if cycle is not None]

    async def _end(self, within: float | None) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        if self._state.tasks:
            await self._end_tasks()
        for connection in list(self._state.connections):
            cast(Any, connection).transport.close()
        await self._end_lifespan(within)

    async def _end_lifespan(self, within: float | None) -> None:
        """Tells mounted applications to end. within: seconds for it, if what cuts it off has been and gone."""
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is None:
            return
        try:
            async with asyncio.timeout(within):
                await lifespan.shutdown()
        except TimeoutError:
            log.warning("a mounted application does not end; it is left to the end of the process")

    async def _end_tasks(self) -> None:
        for connection in self._connections():
            if connection.flow.write_paused:  # who does not read does not let a last word be sent either
                connection.transport.abort()
        _, late = await asyncio.wait(list(self._state.tasks), timeout=NOTICE if self._app.in_flight else LAST_WORD)
        for task in late:
            task.cancel()
        if late:
            _, late = await asyncio.wait(late, timeout=LAST_WORD)
        if late:
            log.error("%d requests were cancelled and do not end", len(late))

    def _sweep_slow(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in self._connections():
            connection.refuse_if_slow(now)
        self._sweep = loop.call_later(SWEEP, self._sweep_slow)


class _Flow(FlowControl):
    """uvicorn's flow control, which reads on whenever a request is answered or reads; this one not while ``full``."""

    def __init__(self, transport: asyncio.Transport, full: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._full = full

    def resume_reading(self) -> None:
        if not self._full():
            super().resume_reading()


class _Complete(list[tuple[bytes, bytes]]):
    """Headers to which nothing is added: what follows are trailers, which are no headers (RFC 9110, section 6.5.1)."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Forgets it."""


class _Whole:
    """Implements `Whole`: what uvicorn's cycle does in two events to receive and two to send."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def take(self) -> bytes | None:
        """Not while more is to come, and not before a client that waits for 100 Continue was told so."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected or cycle.response_complete or cycle.waiting_for_100_continue:
            return None
        cycle.flow.resume_reading()
        cycle.message_event.clear()
        body, cycle.body = cycle.body, bytearray()
        return bytes(body)

    def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Not where the connection ends with it, the client reads too slowly, or HEAD asked for no body."""
        cycle = self._cycle
        if (
            cycle.response_started
            or cycle.disconnected
            or cycle.flow.write_paused
            or not cycle.keep_alive
            or CLOSE_HEADER in headers
            or cycle.scope["method"] == "HEAD"
        ):
            return False
        parts = [STATUS_LINE[status]]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join(parts))
        cycle.message_event.set()
        cycle.on_response()
        return True


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on headers, trailers and pipelining, and on how slowly a request may come."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],
        limits: HttpLimits,
        loop: asyncio.AbstractEventLoop,
        gone: Callable[[], None],
    ) -> None:
        super().__init__(config, state, app_state, _loop=loop)
        self._gone = gone
        self._limits = limits
        self._reading_headers_since: float | None = loop.time()
        self._received_at = 0.0
        self._answered_at = 0.0
        self._received = 0
        self._held = memoryview(b"")  # read, and not parsed yet
        self._running: RequestResponseCycle | None = None  # `cycle` is the last that was parsed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport, self._full)
        self._unread = Unread(transport)

    @property
    def running(self) -> RequestResponseCycle | None:
        """The request that is being answered, if there is one."""
        return None if self._running is None or self._running.response_complete else self._running

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gone()
        self.pipeline.clear()
        self._held = memoryview(b"")
        running, self._running = self._running, None
        if running is not None and not running.response_complete:  # uvicorn only tells the last one
            running.disconnected = True
            running.message_event.set()
            left = cast(dict[str, Any], running.scope).get(LEFT)
            if left is not None:
                left()

    def data_received(self, data: bytes) -> None:
        if len(data) <= SLICE and not self._held and not self.pipeline:
            self._feed(data)  # nearly always
        else:
            self._held = memoryview(bytes(self._held) + data if self._held else data)
            self._parse()

    def _parse(self) -> None:
        while self._held and len(self.pipeline) < PIPELINED and not self.transport.is_closing():
            data, self._held = bytes(self._held[:SLICE]), self._held[SLICE:]
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        self._received += len(data)
        self._received_at = self.loop.time()
        super().data_received(data)
        if self._received > self._limits.header_bytes:  # headers, trailers or chunk extensions: a body resets it
            self._refuse(HeadersTooLarge(self._too_large()))

    def _full(self) -> bool:
        return bool(self._held) or len(self.pipeline) >= PIPELINED

    def handle_websocket_upgrade(self) -> None:
        self._held = memoryview(b"")
        super().handle_websocket_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        self._held = memoryview(b"")  # what follows is in the protocol that was asked for
        super()._unsupported_upgrade_warning()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        whole = _Whole(cycle)  # given with the call, not in the scope, which is its cycle's: they would keep each other
        super()._start_asgi_task(cycle, lambda scope, receive, send: app(scope, receive, send, whole))

    def on_response_complete(self) -> None:
        self._answered_at = self.loop.time()
        if self.pipeline or self._held or self._limits.keep_alive < SWEEP:
            super().on_response_complete()
            if not self.transport.is_closing():
                self._parse()
                self.flow.resume_reading()
            return
        # As uvicorn does it, except that the sweep looks for idle connections: a timer a request costs more than that.
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        self._reading_headers_since = self._received_at
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._received > self._limits.header_bytes and self._header_bytes() > self._limits.header_bytes:
            self._refuse(HeadersTooLarge(self._too_large()))
            return
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._refuse(BadRequest("a request has one host header (RFC 9112)"))
            return
        self._reading_headers_since = None
        self._received = 0
        super().on_headers_complete()
        self.headers = _Complete(self.headers if self.parser.should_upgrade() else ())

    def on_body(self, body: bytes) -> None:
        self._received = 0  # only what may be headers of a next request counts
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._received = 0
        if self.cycle is not None:
            scope: Any = self.cycle.scope
            scope[RECEIVED] = time.monotonic()
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does about bytes that are no HTTP, as a problem document."""
        self._refuse(BadRequest(msg.rstrip(".").lower()))

    def refuse_if_slow(self, now: float) -> None:
        """Ends the connection if its request has not come in time, or nobody reads its reply."""
        limits = self._limits
        if self._unread.seconds(now) > limits.read_timeout:
            self.transport.abort()
            return
        began = self._reading_headers_since
        if began is None and self.cycle is not None and self.cycle.response_complete:
            if now - self._answered_at > limits.keep_alive:  # whatever still comes of a body that nobody reads
                self.transport.close()
            return
        if began is not None and self.flow.read_paused:
            self._reading_headers_since = now  # the rest waits for answers, not for the client
        elif began is not None:
            if now - began > limits.header_timeout:
                self._refuse(RequestTimeout(f"the request's headers did not come within {limits.header_timeout:g} s"))
        elif (
            self.cycle is not None
            and self.cycle.more_body
            and not self.cycle.response_started
            and not self.flow.read_paused
            and now - self._received_at > limits.body_timeout
        ):
            self._refuse(RequestTimeout(f"the request's body paused for more than {limits.body_timeout:g} s"))

    def _header_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> str:
        return f"the request line and headers, or the trailers, are larger than {self._limits.header_bytes} bytes"

    def _refuse(self, error: Error) -> None:
        if self.transport.is_closing():
            return
        if self._may_answer():
            reply = problem_reply(error, "", close=True)
            lines = [b"HTTP/1.1 %d %s" % (reply.status, _REASONS[reply.status])]
            lines += [name + b": " + value for name, value in reply.headers]
            self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + reply.body)
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether an answer now would be taken for that of the request that is refused."""
        if self.cycle is None:
            return self._received > 0  # who sent nothing gets no answer to his first request
        if self._reading_headers_since is not None:
            return self.cycle.response_complete
        return self.cycle is self._running and not self.cycle.response_started


def _config(app: HttpApp, limits: HttpLimits) -> Config:
    config = Config(
        app,
        http=_Connection,
        ws="websockets-sansio" if find_spec("websockets") else "none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=int(limits.keep_alive),
        backlog=limits.backlog,
    )
    config.load()
    return config


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket; OSError whose text says the address and what to do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno, f"cannot listen on {host}:{port}: {error.strerror}; stop what listens there or set ATOLL_PORT"
        ) from None
    listener.setblocking(False)
    return listener
